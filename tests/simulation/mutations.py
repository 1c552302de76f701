"""Guards taken out of the code, one by one: what the simulation is worth is how soon it notices."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from unittest.mock import patch

from tests.simulation.faults import SimulatedStore

from attune.knowledge_store import store_rows
from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store_model import Projected
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.tombstones import Tombstones
from attune.services.ingest.applying import Applier
from attune.services.ingest.batch import sort_out
from attune.services.runtime.consuming.backlog import Backlog
from attune.services.runtime.events import TOPIC

_real_take, _real_apply = UserRecord.take, RowStore.apply


def _takes_copies(record: UserRecord, event: Projected) -> bool:
    record.digests.pop(event.digest, None)
    return _real_take(record, event)


def _moves_the_offset_apart(store: SimulatedStore, batch: list[Projected], position: LogPosition | None = None):
    """In a transaction of its own, after that of the events."""
    events = list(batch)
    with store._writing() as rows:
        store_rows._require_claimed(rows, position)
    applied = _real_apply(store, events)
    _real_apply(store, [], position)
    return applied


def _sets_aside_last(applier: Applier, partition: int, backlog: Backlog, to: int) -> int:
    batch, count = sort_out(backlog.records, applier._validation), len(backlog.records)
    position = LogPosition(TOPIC, partition, to, epoch=backlog.epoch)
    applier._knowledge.handle(batch.interactions, position)
    applier._set_aside(backlog, batch)
    backlog.applied_to(to)
    return count


MUTATIONS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "fence": lambda: patch.object(store_rows, "_require_claimed", lambda _rows, _position: None),
    "de-duplication": lambda: patch.object(UserRecord, "take", _takes_copies),
    "tombstone of a user": lambda: patch.object(Tombstones, "cover_event", lambda _tombstones, _epoch: False),
    "tombstone of an entity": lambda: patch.object(Tombstones, "cover_entity", lambda _stones, _epoch, _id: False),
    "offsets in the transaction": lambda: patch.object(RowStore, "apply", _moves_the_offset_apart),
    "dead letters before the offset": lambda: patch.object(Applier, "apply", _sets_aside_last),
}
"""By the guard that is missing: they hold while the system runs, and not when what it must be is computed."""
