"""Old history from a file of JSON lines, to be applied before the log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import Interaction
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.events.lines import LONGEST_LINE, opened
from attune.services.ingest.batch import sort_out
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import to_entry, wrong_time
from attune.services.runtime.records.json_text import event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation

_AT_ONCE = 2000
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def history(file: Path, tenant: str, now: datetime) -> Iterator[list[Interaction]]:
    """The events of a file, batch by batch, as if the log had taken each when it happened.

    Those that name no tenant are of `tenant`.

    Raises:
        CorpusError: the file cannot be read, or a line is no event of the past; it names the line.
    """
    validation = Validation()
    records = _records(file, tenant, now)
    while batch := list(islice(records, _AT_ONCE)):
        sorted_out = sort_out(batch, validation)
        for letter in sorted_out.dead_letters[:1]:
            place, reason = (dict(letter.headers)[f"attune_{name}"].decode() for name in ("position", "reason"))
            raise CorpusError(f"{file}, line {place.rpartition('/')[2]}: {reason}; mend that line")
        yield sorted_out.interactions


def _records(file: Path, tenant: str, now: datetime) -> Iterator[Record]:
    """Each event as the log would have it; its offset is the number of its line."""
    with opened(str(file)) as source:
        for number, line in source.lines():
            if line is None or line.strip():
                place = f"{file}, line {number}"
                yield _record(_event(line, place), place, number, tenant, now)


def _event(line: bytes | None, place: str) -> InteractionEvent:
    if line is None:
        raise CorpusError(f"{place}: longer than {LONGEST_LINE} bytes; mend that line")
    try:
        return event_of_json(line)
    except InvalidRecordError as error:
        raise CorpusError(f"{place}: {error}; mend that line") from error


def _record(event: InteractionEvent, place: str, number: int, tenant: str, now: datetime) -> Record:
    if not event.HasField("occurred_at"):
        raise CorpusError(f"{place}: occurred_at is missing: say when the event happened")
    if wrong := wrong_time(event, now):
        raise CorpusError(f"{place}: {wrong.field}: {wrong.description}; mend that line")
    event.tenant_id = event.tenant_id or tenant
    try:
        entry = to_entry(event)
        happened = (event.occurred_at.ToDatetime(UTC) - _EPOCH) // _MILLISECOND
    except ValueError as error:
        raise CorpusError(f"{place}: {error}; mend that line") from error
    return Record("history", 0, number, happened, entry.key, entry.value, entry.headers)
