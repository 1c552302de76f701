"""The one reader of files of what users did, whatever their form.

A file holds a JSON object a line; or, where its name ends with .tsv or .txt, rows of three columns with tabs between.
Either may be gzip, with .gz behind. Each line is read by its own form, so one file may hold several:

    {"user", "ts" or "time", "query"}           rows; a "session" may stand besides
    user TAB time TAB query                     the same in columns
    InteractionEvent or UBI event in JSON       queries, reformulations, accepted suggestions; titles of what was opened
    {"session", "iterations": [...]}            sessions, as CoSoBe's: queries, results and clicks
    {"user", "ptkb": {number: statement}}       statements, as TREC iKAT's

Times are as times.py reads them, the forms of objects as forms.py does. Events are held against the rules of the
.proto; one without an id is known by its line. Lines are of LONGEST_LINE bytes at most: memory is bounded.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.events.lines import LONGEST_LINE, opened
from attune.services.cli.logs.forms import Fields, LineError, row, session, statements
from attune.services.cli.logs.said import Said, said_by
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.plain_events import is_plain
from attune.services.runtime.records.json_text import event_of_json, json_object
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation
from attune.services.suggestion.queries.asked import Asked

_TABLES = {".tsv", ".txt"}
T = TypeVar("T")


class LogFile:
    """What a file says that users asked and opened, in the order of its lines. May be read any number of times.

    A query may be blank: what that means is for who reads to say.
    """

    def __init__(self, file: Path, tenant: str = DEFAULT_TENANT, *, skip_invalid: bool | None = None) -> None:
        """`tenant` is whose the lines are that name none. Lines that are wrong are left out with `skip_invalid`, and
        end the reading without; None: the command does not offer to leave them out.
        """
        self._file = file
        self._tenant = tenant
        self._skip_invalid = skip_invalid
        self._validation = Validation()
        self.skipped = 0
        """Lines that are wrong, of the reading that was begun last."""
        self._statements = 0

    def __iter__(self) -> Iterator[Said]:
        """Raises CorpusError, which names file, line and field."""
        self._statements = 0
        is_table = Path(self._file.name.removesuffix(".gz")).suffix in _TABLES
        return self._read(self._columns if is_table else self._said)

    def events(self) -> Iterator[InteractionEvent]:
        """The events, of whatever type, with their tenants, where every line is one. Raises CorpusError."""
        return self._read(lambda number, line: [self._event(number, line)])

    def _read(self, read: Callable[[int, bytes], Iterable[T]]) -> Iterator[T]:
        """What is read of each line that is not blank; of one that is wrong, nothing."""
        self.skipped = 0
        if str(self._file) == "-":
            raise CorpusError("standard input cannot be read as a log, as some are read twice: name a file")
        with opened(str(self._file)) as source:
            for number, line in source.lines():
                if line is not None and not line.strip():
                    continue
                try:
                    yield from list(read(number, _whole(line)))
                except LineError as error:
                    if not self._skip_invalid:
                        raise self._named(number, error) from error
                    self.skipped += 1

    def _columns(self, _number: int, line: bytes) -> Iterator[Said]:
        try:
            columns = line.decode("utf-8-sig").rstrip("\r\n").split("\t")
        except UnicodeDecodeError as error:
            raise LineError("is not UTF-8; save the file as UTF-8") from error
        if len(columns) != 3:
            raise LineError(f"has {len(columns)} columns; write user, time, query with tabs between")
        return row(dict(zip(("user", "time", "query"), columns, strict=True)), self._tenant)

    def _said(self, number: int, line: bytes) -> Iterable[Said]:
        fields = _object(line)
        if "iterations" in fields:
            return session(fields, self._tenant)
        if "ptkb" in fields:
            found = list(statements(fields, self._tenant, self._statements))
            self._statements += len(found)
            return found
        is_row = "user" in fields and "query" in fields
        if is_row or not {"type", "action_name"}.intersection(fields):
            return row(fields, self._tenant)
        said = said_by(self._event(number, line))
        return [] if said is None else [said]

    def _event(self, number: int, line: bytes) -> InteractionEvent:
        try:
            event = event_of_json(line)
        except InvalidRecordError as error:
            raise LineError(str(error)) from error
        event.tenant_id = event.tenant_id or self._tenant
        event.event_id = event.event_id or f"line {number}"
        for violation in () if is_plain(event) else self._validation.violations(event):
            raise LineError(violation.description, violation.field)
        return event

    def _named(self, number: int, error: LineError) -> CorpusError:
        place = f"{self._file}, line {number}{', field ' if error.field else ''}{error.field}"
        other = "" if self._skip_invalid is None else ", or leave out such lines with --skip-invalid"
        return CorpusError(f"{place}: {error.trouble}; mend that line{other}")


class AskedInFile(LogFile):
    """Of what a file says, the queries that are not blank."""

    def __iter__(self) -> Iterator[Asked]:
        """Raises CorpusError, which names file, line and field."""
        return (each for each in super().__iter__() if isinstance(each, Asked) and each.text.strip())


def _whole(line: bytes | None) -> bytes:
    if line is None:
        raise LineError(f"is longer than {LONGEST_LINE} bytes")
    return line


def _object(line: bytes) -> Fields:
    try:
        return json_object(line)
    except (ValueError, RecursionError) as error:
        raise LineError("is not a JSON object in UTF-8") from error
