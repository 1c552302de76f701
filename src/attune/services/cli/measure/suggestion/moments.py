"""What was known just before each next query: of its user by a knowledge store, of others by counting.

The log is walked through once, by time. Whatever has the time of a case, or a later one, is not known in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.knowledge_store.retrieval import Mode
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.cli.measure.earlier import Earlier
from attune.services.cli.measure.suggestion.cases import Case, query_of
from attune.services.cli.measure.suggestion.logs import Entry

Known = Mapping[str, tuple[Mode, float]]
MODES = (Mode.FAMILIAR, Mode.LAPSED, Mode.NEIGHBOUR)
_TENANT = "measured"
_PER_MODE = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known before a case: of its user, and how many others asked a query, and asked it after this case's.

    Queries of fewer than two others are left out of both.
    """

    known: Known
    users: Mapping[str, int]
    next_users: Mapping[str, int]


class Entities:
    """A catalog, and the entities that texts name by it."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.graph = CatalogGraph(catalog)
        self.linker = Linker(catalog, self.graph)
        self._named: dict[str, tuple[str, ...]] = {}

    def named(self, text: str) -> tuple[str, ...]:
        """Ids of the entities that a text names, each once."""
        if text not in self._named:
            self._named[text] = tuple(dict.fromkeys(each.entity_id for each in self.linker.link(text)))
        return self._named[text]


class Stores:
    """A knowledge store that learns the log as it goes; without a catalog nothing is known of anybody."""

    def __init__(self, entities: Entities | None) -> None:
        self._entities = entities
        self._store = MemoryStore()
        self._learned = 0
        if entities is not None:
            self._knowledge = Knowledge(entities.catalog, entities.graph, entities.linker, self._store)

    def learn(self, entries: Sequence[Entry]) -> None:
        """The next queries of the log."""
        if self._entities is None:
            return
        events = []
        for each in entries:
            self._learned += 1
            at = _moment(each.at)
            user = UserKey(_TENANT, each.user)
            events.append(Interaction(str(self._learned), user, EventKind.QUERY, at, at, user_query=each.text))
        self._knowledge.handle(events)

    def known(self, user: str, at: float) -> Known:
        """How a user knows entities: the best 64 of each mode. The best mode of each counts, familiar before others."""
        if self._entities is None:
            return {}
        view = self._knowledge.view(UserKey(_TENANT, user))
        found = self._knowledge.retrieve(
            _TENANT, view, (), now=_moment(at), modes=MODES, limit=_PER_MODE, loaded=self._knowledge.loaded
        )
        known: dict[str, tuple[Mode, float]] = {}
        for each in found:
            known.setdefault(each.entity_id, (each.mode, each.score))
        return known


def walked(
    cases: Sequence[Case], entries: Sequence[Entry], entities: Entities | None
) -> Iterator[tuple[Case, Earlier, Stores]]:
    """Each case by time, with what others asked and what is known of users before it; both go on with the log."""
    earlier = Earlier(fold=query_of) if entities is None else Earlier(entities.named, query_of)
    stores, place = Stores(entities), 0
    for case in sorted(cases, key=lambda each: each.at):
        start = place
        while place < len(entries) and entries[place].at < case.at:
            earlier.add(entries[place].user, entries[place].text, entries[place].at)
            place += 1
        if place > start:
            stores.learn(entries[start:place])
        yield case, earlier, stores


def moment_of(case: Case, earlier: Earlier, stores: Stores) -> Moment:
    """What is known before a case."""
    users = {query: earlier.others(query, case.user) for query in earlier.shared}
    following = earlier.next_by_others(case.query, case.user)
    return Moment(stores.known(case.user, case.at), _of_several(users), _of_several(following))


def known_at_the_end(users: Sequence[str], entries: Sequence[Entry], entities: Entities | None) -> dict[str, Known]:
    """What is known of each user after the whole log: what is put in the place of somebody else's store."""
    stores = Stores(entities)
    stores.learn(entries)
    return {user: stores.known(user, entries[-1].at) for user in users}


def _of_several(counts: Mapping[str, int]) -> dict[str, int]:
    return {query: count for query, count in counts.items() if count > 1}


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
