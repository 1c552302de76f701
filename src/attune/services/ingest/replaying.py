"""A store built anew from the log, and from files of history, beside the one in use, whose place it takes.

The same code as the worker's makes events of records and applies them. What is no event is passed over: it is in the
topic of dead letters already. knowledge_store/shadow.py says why nothing that users want gone comes back meanwhile.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from attune.knowledge_store.comparing import Comparison, compare
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import Interaction, LogPosition
from attune.knowledge_store.shadow import Shadow, carry_summaries, sow
from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_rows import RowStore
from attune.services.ingest.batch import sort_out
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import LogReader, Record
from attune.services.runtime.events import TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.restoring import require_not_ahead, restore
from attune.services.runtime.validation import Validation

_MOST_RECORDS = 2000
_MOST_BYTES = 4 << 20
_FEW = 500
"""So many records may be left to be read while the live store is locked: a fraction of a second's work."""
_TRY_AGAIN_S = 1.0
_OUTCOMES = ("new", "duplicates", "forgotten", "withheld")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a store is built from."""

    starts: Mapping[int, int]
    """The offset to begin with, by partition of the log; what lies before is left out."""
    history: Iterable[list[Interaction]] = ()
    """Batches of events from elsewhere, which are applied before the log."""
    is_whole: bool = True
    """Whether nothing of the log is left out."""


@dataclass(slots=True)
class Built:
    """What became of the events, by outcome, and how long writers had to wait for the swap, in seconds."""

    outcomes: Counter[str] = field(default_factory=Counter)
    swap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how it goes on."""

    count: Callable[[int, int | None], None] = lambda _done, _of: None
    """How many events were read, and of how many; None: nobody knows."""
    say: Callable[[str], None] = lambda _sentence: None


_NOBODY = Watcher()
_ANY = Admission()


class Replay:
    """Builds one shadow of a live store. Blocking, for one thread."""

    def __init__(
        self,
        event_log: LogReader,
        live: RowStore,
        shadow: Shadow,
        catalog: LoadedCatalog,
        clock: Clock,
        watcher: Watcher = _NOBODY,
        admission: Admission = _ANY,
    ) -> None:
        self._event_log = event_log
        self._live = live
        self._shadow = shadow
        self._knowledge = Knowledge(catalog.catalog, catalog.graph, catalog.linker, shadow.store)
        self._clock = clock
        self._watcher = watcher
        self._admission = admission
        self._validation = Validation()
        self._read = 0
        self.built = Built()

    def build(self, plan: Plan) -> None:
        """Take what users want and allow, then the history, then the log, to its end or nearly so.

        Raises:
            ConfigError: the live store is ahead of the log, so that they do not belong together.
        """
        store = self._shadow.store
        require_not_ahead(self._event_log, self._live)
        sow(self._live, store)
        restore(self._event_log, store)
        for partition, offset in plan.starts.items():
            store.apply([], LogPosition(TOPIC, partition, offset))
        for batch in plan.history:
            self._apply(batch, None)
            self._advance(len(batch), None)

    def swap(self, plan: Plan) -> None:
        """Catch up, and put the shadow in the live store's place. Tries again while others keep the live store."""
        while True:
            self._catch_up_nearly()
            since = self._carry_summaries() if plan.is_whole else None
            began = time.monotonic()
            try:
                self._shadow.swap(self._restore, self._catch_up, since)
            except StoreBusyError as error:
                self._watcher.say(f"the swap waits for others, and is tried again: {error}")
                time.sleep(_TRY_AGAIN_S)
            else:
                self.built.swap_s = time.monotonic() - began
                return

    def compare(self, most: int = 0) -> Comparison:
        """Read as much of the log as the live store has, and compare the two; tell `most` of the users who differ."""
        self._catch_up_nearly(lambda partition: self._live.position(TOPIC, partition))
        with self._live.snapshot() as rows:
            ends = {each.partition: each.next_offset for each in rows.positions() if each.log == TOPIC}
            self._restore()
            self._catch_up(ends)
            return compare(iter(rows.users()), self._shadow.store.users(), most)

    def _restore(self) -> None:
        restore(self._event_log, self._shadow.store)

    def _catch_up_nearly(self, end_of: Callable[[int], int] | None = None) -> None:
        """Until a round was short. The ends are taken before the topics of what users want are read: see shadow.py."""
        while True:
            ends = {each: (end_of or self._end)(each) for each in self._partitions}
            self._restore()
            if self._catch_up(ends) <= _FEW:
                return

    def _catch_up(self, ends: Mapping[int, int] | None = None) -> int:
        """Apply the log up to these ends, or to those of now; how many records that were."""
        if ends is None:
            ends = {each: self._end(each) for each in self._partitions}
        left = sum(max(0, end - self._position(partition)) for partition, end in ends.items())
        before, total = self._read, self._read + left
        for partition, end in ends.items():
            while (offset := self._position(partition)) < end:
                self._stretch(partition, offset, end)
                self._watcher.count(self._read, total)
        return self._read - before

    def _stretch(self, partition: int, offset: int, end: int) -> None:
        """Apply the next records before `end`. Where there are none, all of them are erased."""
        found = self._event_log.poll(TOPIC, partition, offset, _MOST_RECORDS, _MOST_BYTES, 0)
        records = [each for each in found if each.offset < end]
        to = records[-1].offset + 1 if records and len(records) == len(found) else end
        self._apply(self._interactions(records), LogPosition(TOPIC, partition, to))
        self._read += to - offset

    def _interactions(self, records: list[Record]) -> list[Interaction]:
        batch = sort_out(records, self._validation, self._admission)
        self.built.outcomes["not_events"] += len(batch.dead_letters)
        return batch.interactions

    def _apply(self, interactions: list[Interaction], position: LogPosition | None) -> None:
        applied = self._knowledge.handle(interactions, position)
        self.built.outcomes.update({outcome: getattr(applied, outcome) for outcome in _OUTCOMES})

    def _advance(self, events: int, of: int | None) -> None:
        self._read += events
        self._watcher.count(self._read, of)

    def _carry_summaries(self) -> datetime:
        """Those that the live store has now; when that was."""
        now = self._clock()
        with self._live.snapshot() as rows:
            carry_summaries(rows.every_summary(), self._shadow.store)
        return now

    @property
    def _partitions(self) -> range:
        return range(self._event_log.partition_count(TOPIC))

    def _end(self, partition: int) -> int:
        return self._event_log.end_offset(TOPIC, partition)

    def _position(self, partition: int) -> int:
        return self._shadow.store.position(TOPIC, partition)
