"""Logs replayed into a store in memory through the one way in, `Knowledge.handle`, and what came of each event."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from attune.knowledge_store.audit import Audit, audit
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import Interaction, LogPosition, UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied, Projected

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """An entity of a user, and the first text that it was found in."""

    entity_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A set of logs, as the store ended up; `linked` events observed an entity."""

    events: int
    linked: int
    audit: Audit
    store: Store = field(repr=False)
    pairs: list[Pair] = field(repr=False)

    def sample(self, size: int, seed: int) -> list[Pair]:
        """So many pairs (or all), drawn without replacement."""
        return random.Random(seed).sample(self.pairs, min(size, len(self.pairs)))  # noqa: S311 - no secret


class _Witness(MemoryStore):
    """Notes which events observed which entities, as they are applied."""

    def __init__(self) -> None:
        super().__init__()
        self.observed: dict[tuple[UserKey, str], list[str]] = {}
        """Ids of events, by user and entity."""
        self.linked: set[tuple[UserKey, str]] = set()

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        for event in batch:
            if event.observations:
                self.linked.add((event.user, event.event_id))
            for seen in event.observations:
                self.observed.setdefault((event.user, seen.entity_id), []).append(event.event_id)
        return super().apply(batch, position)


def replay(events: Sequence[Interaction], catalog: Catalog, graph: CatalogGraph, linker: Linker) -> Replayed:
    """The audit is as of the last event. An entity's names are its label and what was read in the user's texts."""
    store = _Witness()
    _fill(Knowledge(catalog, graph, linker, store), events)
    texts = {(event.user, event.event_id): event.user_query for event in events}

    def read(user: UserKey, entity_id: str) -> Collection[str]:
        wanted = [texts[user, event_id] for event_id in store.observed[user, entity_id]]
        return {each.surface for text in wanted for each in linker.link(text) if each.entity_id == entity_id}

    found = audit(store, catalog, events[-1].occurred_at, read)
    pairs = [
        Pair(entity_id, texts[user, store.observed[user, entity_id][0]])
        for user, record in store.users()
        for entity_id in sorted(record.states)
    ]
    return Replayed(len(events), len(store.linked), found, store, pairs)


def learned(events: Sequence[Interaction], catalog: Catalog, graph: CatalogGraph, linker: Linker) -> Store:
    """A store in memory that has learned the events, and nothing else of them."""
    store = MemoryStore()
    _fill(Knowledge(catalog, graph, linker, store), events)
    return store


def _fill(knowledge: Knowledge, events: Sequence[Interaction]) -> None:
    for start in range(0, len(events), _BATCH):
        knowledge.handle(events[start : start + _BATCH])
