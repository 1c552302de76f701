"""What must be there in the end: computed from the log by one reader, in order, without any fault."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path

from tests.faults.report import Report

from attune.knowledge_store.backup import write_backup
from attune.knowledge_store.backup_lines import to_line
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import Store
from attune.services.ingest.batch import sort_out
from attune.services.runtime.dead_letters import dead_letters
from attune.services.runtime.eventlog.port import EventLog, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, logged_at, user_of_key
from attune.services.runtime.restoring import restore
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.validation import Validation

_AT_ONCE = 500
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Audit:
    """Holds a store and the dead letters against the log, and counts what is there."""

    def __init__(self, log: EventLog, store: Store, report: Report, directory: Path) -> None:
        self._log = log
        self._store = store
        self._report = report
        self._directory = directory

    def run(
        self, empty: Knowledge, acknowledged: Mapping[Position, bytes], wrong: Collection[tuple[bytes, bytes]]
    ) -> None:
        """`empty` takes the log; `acknowledged` is what must be in it, `wrong` key and value of what is no event."""
        records = {_place(each): each for each in every_record(self._log, TOPIC)}
        _compute(empty, self._log, records.values())
        _look_through_as_many(empty.store, self._store, self._log)
        is_wrong = {at: each for at, each in records.items() if (each.key, each.value) in wrong}
        self._count(records, is_wrong)
        self._report.differences += [
            *self._of_content(empty.store),
            *(f"lost by the log: {at}" for at, value in acknowledged.items() if _value(records.get(at)) != value),
            *self._of_dead_letters(is_wrong, empty.store),
        ]

    def _count(self, records: Mapping[Position, Record], wrong: Mapping[Position, Record]) -> None:
        self._report.records = len(records)
        self._report.wrong = len(wrong)
        seen = {(each.key, each.value) for each in records.values()}
        self._report.duplicates = len(records) - len(seen)

    def _of_content(self, expected: Store) -> list[str]:
        """As backups have it. Nothing differs where the files are equal byte for byte."""
        files = [self._directory / name for name in ("found.backup", "wanted.backup")]
        for store, file in zip((self._store, expected), files, strict=True):
            write_backup(store, file, _NOW)
        found, wanted = (file.read_bytes() for file in files)
        if found == wanted:
            return []
        lines, wanted_lines = ([to_line(each).decode() for each in one.dump()] for one in (self._store, expected))
        there, should = set(lines), set(wanted_lines)
        return [f"is     {each}" for each in lines if each not in should] + [
            f"should {each}" for each in wanted_lines if each not in there
        ] or ["the order of what is kept differs"]

    def _of_dead_letters(self, wrong: Mapping[Position, Record], expected: Store) -> list[str]:
        """Those of users who were forgotten since may be gone."""
        found = {each.position for each in dead_letters(self._log)}
        written = sum(1 for _ in every_record(self._log, DEAD_LETTER_TOPIC))
        self._report.dead_letters, self._report.repeated_dead_letters = len(found), written - len(found)
        wanted = {at for at, each in wrong.items() if not _is_covered(each, expected)}
        return [f"no dead letter for {at}" for at in wanted - found] + [
            f"a dead letter too many for {at}" for at in found - wrong.keys()
        ]


def _compute(knowledge: Knowledge, log: EventLog, records: Collection[Record]) -> None:
    restore(log, knowledge.store)
    validation = Validation()
    for partition, of_partition in groupby(records, lambda each: each.partition):
        for some in _pieces(of_partition):
            position = LogPosition(TOPIC, partition, some[-1].offset + 1)
            knowledge.handle(sort_out(some, validation).interactions, position)


def _look_through_as_many(computed: Store, found: Store, log: EventLog) -> None:
    """Starts move this position, and events do not."""
    for partition in range(log.partition_count(DEAD_LETTER_TOPIC)):
        if offset := found.position(DEAD_LETTER_TOPIC, partition):
            computed.apply([], LogPosition(DEAD_LETTER_TOPIC, partition, offset))


def _pieces(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, _AT_ONCE)):
        yield some


def _is_covered(record: Record, store: Store) -> bool:
    user = user_of_key(record.key)
    until = store.forgotten([user]).get(user) if user else None
    return until is not None and logged_at(record) <= until


def _place(record: Record) -> Position:
    return Position(record.topic, record.partition, record.offset)


def _value(record: Record | None) -> bytes | None:
    return None if record is None else record.value
