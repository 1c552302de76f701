"""What was asked, by a file of JSON lines: events as `attune events send` takes them, or rows of user, time and query.

    {"user": "u1", "ts": "970916105432", "query": "yahoo chat"}              YYMMDDhhmmss, as Excite's log
    {"user": "u1", "time": "2026-01-31T12:00:00Z", "query": "yahoo chat"}    ISO 8601; UTC, if no zone is given

A row may have a "session" besides.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attune.knowledge_store.model import UserKey
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.events.lines import LONGEST_LINE, opened
from attune.services.runtime.records.json_text import event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation
from attune.services.suggestion.queries.asked import Asked, asked_of_event

_DIGITS = 12
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MEND = "mend that line, or leave out such lines with --skip-invalid"


class AskedInFile:
    """What a file says that was asked. May be read any number of times."""

    def __init__(self, file: Path, tenant: str, *, skip_invalid: bool = False) -> None:
        """`tenant` is whose rows and events are that name none; lines that are wrong are counted, if not refused."""
        self._file = file
        self._tenant = tenant
        self._skip_invalid = skip_invalid
        self._validation = Validation()
        self.skipped = 0
        """Lines that are wrong, of the reading that was begun last."""

    def __iter__(self) -> Iterator[Asked]:
        """Raises CorpusError, which names file and line."""
        self.skipped = 0
        with opened(str(self._file)) as source:
            for number, line in source.lines():
                if line is not None and not line.strip():
                    continue
                try:
                    found = self._asked(line)
                except (InvalidRecordError, ValueError) as error:
                    if not self._skip_invalid:
                        raise CorpusError(f"{self._file}, line {number}: {error}; {_MEND}") from error
                    self.skipped += 1
                else:
                    if found is not None:
                        yield found

    def _asked(self, line: bytes | None) -> Asked | None:
        if line is None:
            raise ValueError(f"longer than {LONGEST_LINE} bytes")
        fields = _object(line)
        if "query" in fields and "user" in fields:
            return self._row(fields)
        event = event_of_json(line)
        event.tenant_id = event.tenant_id or self._tenant
        for violation in self._validation.violations(event):
            raise ValueError(f"{violation.field}: {violation.description}")
        return asked_of_event(event)

    def _row(self, fields: dict[str, Any]) -> Asked | None:
        user, query = _text(fields, "user"), _text(fields, "query")
        if not user:
            raise ValueError("user: is empty")
        session = _text(fields, "session") if "session" in fields else ""
        return Asked(UserKey(self._tenant, user), query, _time(fields), session) if query.strip() else None


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError("not a JSON object in UTF-8") from error
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object in UTF-8")  # noqa: TRY004 - as for all that is none
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise ValueError(f"{name}: is no string")  # noqa: TRY004 - a line's content, as every other mistake in it
    if _SURROGATE.search(value):
        raise ValueError(f"{name}: has half a character (a lone surrogate), which is no text")
    return value


def _time(fields: dict[str, Any]) -> datetime:
    name = next((each for each in ("ts", "time") if each in fields), "")
    if not name:
        raise ValueError("ts: is missing: say when it was asked")
    written = _text(fields, name)
    try:
        if len(written) == _DIGITS and written.isdecimal():
            return datetime.strptime(written, "%y%m%d%H%M%S").replace(tzinfo=UTC)
        found = datetime.fromisoformat(written)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: is neither YYMMDDhhmmss nor a time in ISO 8601") from error
