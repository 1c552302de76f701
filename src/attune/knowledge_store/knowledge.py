"""The library's front door: one handler for interaction events, wherever they come from, and the questions about a
user.

Texts pass through to be linked and are dropped here; what goes on to the store are ids, times and weights, and what
users said of themselves to be kept.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.folding import fold
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import (
    Companion,
    EntityState,
    EventKind,
    Interaction,
    LinkedEntity,
    LogPosition,
    Observation,
    Summary,
    UserKey,
)
from attune.knowledge_store.noting import noted_reading, noted_statement
from attune.knowledge_store.projection import observes_document, observes_query, observes_suggestion, project
from attune.knowledge_store.record import RecordView, page_of
from attune.knowledge_store.redirects import Redirects
from attune.knowledge_store.retrieval import CompanionsOf, Mode, Retrieved, retrieve
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_model import Applied, EntityCursor, Profile, Projected


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is indexed: linked here, not kept."""

    object_id: str
    title: str
    text: str


class Knowledge:
    """A catalog's graph and linker over one store. Blocking; any thread may call."""

    def __init__(self, catalog: Catalog, graph: CatalogGraph, linker: Linker, store: Store) -> None:
        self.loaded = LoadedCatalog(catalog, graph, linker)
        """Replaced as a whole when the catalog changes. Who needs more than one thing of it takes it once."""
        self.store = store

    @property
    def catalog(self) -> Catalog:
        return self.loaded.catalog

    @property
    def graph(self) -> CatalogGraph:
        return self.loaded.graph

    @property
    def linker(self) -> Linker:
        return self.loaded.linker

    def handle(self, interactions: Sequence[Interaction], position: LogPosition | None = None) -> Applied:
        """Links, projects and applies a batch in one transaction with its log position.

        Raises StoreError, after which nothing of the batch was written.
        """
        known, loaded = self._objects_of(interactions), self.loaded
        return self.store.apply([_projected(each, known, loaded) for each in interactions], position)

    def link_documents(self, documents: Sequence[Document]) -> dict[str, list[LinkedEntity]]:
        """What documents are about, by their ids: for the store, and so for all later clicks on them."""
        linker = self.linker
        return {document.object_id: linker.link_document(document.title, document.text) for document in documents}

    def retrieve(
        self,
        tenant: str,
        view: RecordView,
        entity_ids: Iterable[str],
        *,
        now: datetime,
        modes: Sequence[Mode],
        limit: int,
        loaded: LoadedCatalog,
        context_only: bool = False,
    ) -> list[Retrieved]:
        """retrieval.retrieve in the `view` of a user's record, for a context of entities by the version of the catalog
        that they were linked with.

        Merged entities are one in it, wherever they come from. What the catalog does not have, or has no more, is left
        out: it has no name, and nobody can say what it is. Of a context that has nothing else, nothing is known.
        """
        catalog, asked = loaded.catalog, set(entity_ids)
        context = {catalog.redirects.resolve(entity_id) for entity_id in asked if entity_id in catalog}
        if asked and not context:
            return []
        states = self._states(view, loaded)
        if not context:
            states = {entity_id: state for entity_id, state in states.items() if entity_id in catalog}
        companions = self._companions_of(tenant, loaded)
        return retrieve(states, loaded.graph, context, now, modes, limit, companions, context_only=context_only)

    def entity_page(self, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
        """As `Store.entity_page`, those of merged entities as one."""
        redirects = self.catalog.redirects
        if not redirects:
            return self.store.entity_page(user, after, limit)
        return page_of(fold(self.store.view(user).states.values(), redirects), after, limit)

    def profile(self, user: UserKey) -> Profile:
        return self.store.profile(user)

    def summary(self, user: UserKey) -> Summary | None:
        return self.store.summary(user)

    def view(self, user: UserKey) -> RecordView:
        """What is known of the user, in one reading."""
        return self.store.view(user)

    def export(self, user: UserKey) -> Iterator[dict[str, Any]]:
        return self.store.export(user)

    def forget_user(self, user: UserKey, at: datetime) -> dict[str, int]:
        return self.store.forget_user(user, at)

    def one_entity(self, entity_id: str) -> tuple[str, ...]:
        """All the ids under which a store may know the entity: those of entities that were merged, too."""
        return (entity_id, *self.catalog.redirects.other_ids(entity_id))

    def forget_entity(self, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
        return self.store.forget_entity(user, entity_id, at)

    def _companions_of(self, tenant: str, loaded: LoadedCatalog) -> CompanionsOf:
        """Looks them up in the store. Of entities that were merged since they were counted, the one they became; those
        that the catalog has no more are none.
        """
        catalog = loaded.catalog
        resolve = catalog.redirects.resolve

        def look_up(entity_ids: Collection[str]) -> Mapping[str, Sequence[Companion]]:
            return {
                entity_id: [
                    replace(each, entity_id=resolve(each.entity_id)) for each in companions if each.entity_id in catalog
                ]
                for entity_id, companions in self.store.companions(tenant, entity_ids).items()
            }

        return look_up

    @staticmethod
    def _states(view: RecordView, loaded: LoadedCatalog) -> Mapping[str, EntityState]:
        """The user's entities by id, those of merged entities as one."""
        states, redirects = view.states, loaded.catalog.redirects
        if not redirects:
            return states
        return {state.entity_id: state for state in fold(states.values(), redirects)}

    def _objects_of(self, interactions: Sequence[Interaction]) -> dict[tuple[str, str], list[LinkedEntity]]:
        wanted: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for interaction in interactions:
            if interaction.object_id and observes_document(interaction.kind):
                wanted[interaction.user.tenant][interaction.object_id] = None
        return {
            (tenant, object_id): linked
            for tenant, object_ids in wanted.items()
            for object_id, linked in self.store.objects(tenant, list(object_ids)).items()
        }


def _projected(
    interaction: Interaction, known: Mapping[tuple[str, str], Sequence[LinkedEntity]], loaded: LoadedCatalog
) -> Projected:
    query: list[str] = []
    document: Sequence[LinkedEntity] = ()
    suggestion: list[str] = []
    reading = statement = None
    redirects = loaded.catalog.redirects
    if observes_query(interaction.kind):
        query = _query_entities(interaction, loaded.linker)
    elif observes_suggestion(interaction):
        suggestion = _known_entities(interaction, loaded.catalog)
    elif observes_document(interaction.kind):
        object_key = (interaction.user.tenant, interaction.object_id)
        document = known.get(object_key) or _title_entities(interaction, loaded.linker)
        reading = noted_reading(interaction, document, redirects)
    elif interaction.kind is EventKind.STATEMENT:
        statement = noted_statement(interaction, _query_entities(interaction, loaded.linker), redirects)
    observations = _with_other_ids(project(interaction, query, document, suggestion), redirects)
    return Projected(
        interaction.event_id,
        interaction.user,
        interaction.occurred_at,
        interaction.logged_at,
        observations,
        reading,
        statement,
    )


def _with_other_ids(observations: Sequence[Observation], redirects: Redirects) -> tuple[Observation, ...]:
    """Forgotten under one id, an entity must not come back under another that it has by now."""
    if not redirects:
        return tuple(observations)
    return tuple(replace(each, other_ids=redirects.other_ids(each.entity_id)) for each in observations)


def _query_entities(interaction: Interaction, linker: Linker) -> list[str]:
    """A query has few words: the title clicked for it, where the event has one, is read with it."""
    title = interaction.attributes.get("title", "")
    in_query = linker.link_together((interaction.user_query, title) if title else (interaction.user_query,))[0]
    return [mention.entity_id for mention in in_query]


def _known_entities(interaction: Interaction, catalog: Catalog) -> list[str]:
    """Reporters choose the ids: one that the catalog does not have may be anything, even a text."""
    resolved = dict.fromkeys(map(catalog.redirects.resolve, interaction.entity_ids))
    return [entity_id for entity_id in resolved if entity_id in catalog]


def _title_entities(interaction: Interaction, linker: Linker) -> list[LinkedEntity]:
    """For a document that was never indexed here: its title, read together with the query."""
    return linker.link_document(interaction.attributes.get("title", ""), "", query=interaction.user_query)
