"""Events from lines of JSON: InteractionEvent in proto3 JSON, or OpenSearch UBI events, each told by its fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.events.lines import LONGEST_LINE, Source, opened
from attune.services.runtime.records.json_text import Schema, event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError, Reason


class LineFormat(StrEnum):
    """What the lines are."""

    AUTO = "auto"
    ATTUNE = "attune"
    UBI = "ubi"


_SCHEMAS = {LineFormat.AUTO: None, LineFormat.ATTUNE: Schema.INTERACTION, LineFormat.UBI: Schema.UBI}


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event, and the line that it stands in."""

    number: int
    event: InteractionEvent


class EventReader:
    """Reads the events of a source once, line by line."""

    def __init__(
        self,
        source: Source,
        now: datetime,
        line_format: LineFormat = LineFormat.AUTO,
        *,
        from_line: int = 1,
        skip_invalid: bool = False,
    ) -> None:
        """Events without a time happened `now`. With `skip_invalid`, lines that are no event are counted only."""
        self._source = source
        self._now = now
        self._schema = _SCHEMAS[line_format]
        self._from_line = from_line
        self._skip_invalid = skip_invalid
        self.skipped = 0
        self.first_skipped = ""
        """What is wrong with the first of them."""

    def __iter__(self) -> Iterator[EventLine]:
        """The events.

        Raises:
            CorpusError: naming source, line and mend.
        """
        for number, line in self._source.lines():
            if number < self._from_line or (line is not None and not line.strip()):
                continue
            try:
                yield EventLine(number, self._event(line))
            except InvalidRecordError as error:
                self._bad_line(number, error)

    def _event(self, line: bytes | None) -> InteractionEvent:
        if line is None:
            raise InvalidRecordError(Reason.TOO_LARGE, f"it is longer than {LONGEST_LINE} bytes")
        event = event_of_json(line, self._schema)
        if not event.HasField("occurred_at"):
            event.occurred_at.FromDatetime(self._now)
        return event

    def _bad_line(self, number: int, error: InvalidRecordError) -> None:
        more = f" ({error.__cause__})" if error.__cause__ else ""
        sentence = f"{self._source.name}, line {number}: {error}{more}"
        if not self._skip_invalid:
            raise CorpusError(f"{sentence}; mend that line, or leave out such lines with --skip-invalid") from error
        self.first_skipped = self.first_skipped or sentence
        self.skipped += 1


def read_events(file: str, now: datetime) -> Iterator[InteractionEvent]:
    """The events of a JSONL file, or of standard input for "-". Those without a time happened `now`.

    Raises:
        CorpusError: naming file, line and mend.
    """
    with opened(file) as source:
        for line in EventReader(source, now):
            yield line.event
