"""Logs of queries, whatever their form, as what each user asked, by time.

    {"user", "ts" or "time", "query"}           rows; a time is YYMMDDhhmmss, ISO 8601 or seconds
    user TAB time TAB query                     the same, in a file that ends with .tsv or .txt
    UBI or InteractionEvent in JSON             queries, and titles of what was opened after them
    {"session", "iterations": [...]}            sessions, as CoSoBe's: queries, results and clicks, in seconds
    {"user", "ptkb": {number: statement}}       statements, as TREC iKAT's: one after the other, a minute apart

Each line is read by its own form, so one file may hold several.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from attune.events.v1 import events_pb2 as pb
from attune.services.cli.corpora.jsonlines import JsonLine, numbered_lines, read_json_lines
from attune.services.cli.corpora.model import CorpusError
from attune.services.runtime.records.json_text import event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError

_TABLES = {".tsv", ".txt"}
_ASKED = {pb.EVENT_TYPE_QUERY, pb.EVENT_TYPE_REFORMULATION, pb.EVENT_TYPE_SUGGESTION_ACCEPTED}
_OPENED = {pb.EVENT_TYPE_CLICK, pb.EVENT_TYPE_VIEW}
_COMPACT = "%y%m%d%H%M%S"
_STATEMENTS_BEGIN = datetime(2023, 1, 1, tzinfo=UTC).timestamp()
_MINUTE_S = 60.0
_TIMES = "write YYMMDDhhmmss, ISO 8601 with a time zone, or seconds since 1970"


@dataclass(frozen=True, slots=True)
class Entry:
    """A query, or with `is_page` the title of a page that was opened. `at` is in seconds."""

    user: str
    at: float
    text: str
    is_page: bool = False


def read_log(path: Path) -> list[Entry]:
    """By time; of the same time in the order of the file. Texts without any character are left out.

    Raises:
        CorpusError: a line is wrong, or there is no query; it names file, line and field.
    """
    found = _rows(path) if path.suffix in _TABLES else _lines(path)
    entries = sorted((each for each in found if each.text.strip()), key=lambda entry: entry.at)
    if not entries:
        raise CorpusError(f"{path}: holds no query; each line is a user's query, see `attune eval suggestion --help`")
    return entries


def _rows(path: Path) -> Iterator[Entry]:
    for number, line in numbered_lines(path):
        parts = line.rstrip("\r\n").split("\t")
        if len(parts) != 3:
            raise CorpusError(
                f"{path}, line {number}: has {len(parts)} columns; write user, time, query with tabs between"
            )
        if not parts[0].strip():
            raise CorpusError(f"{path}, line {number}, field user: is empty; say who asked")
        yield Entry(parts[0], _seconds(parts[1], f"{path}, line {number}, field time"), parts[2])


def _lines(path: Path) -> Iterator[Entry]:
    statements = 0
    for line in read_json_lines(path):
        if "iterations" in line.fields:
            yield from _session(line)
        elif "ptkb" in line.fields:
            for statement in _statements(line):
                yield Entry(line.text("user", required=True), _STATEMENTS_BEGIN + statements * _MINUTE_S, statement)
                statements += 1
        elif "action_name" in line.fields or "type" in line.fields:
            yield from _event(line)
        else:
            yield _row(line)


def _row(line: JsonLine) -> Entry:
    name = "ts" if "ts" in line.fields else "time"
    raw = line.fields.get(name)
    if raw is None:
        raise line.error(name, f"missing; {_TIMES}")
    at = _seconds(raw, f"{line.path}, line {line.number}, field {name}")
    return Entry(line.text("user", required=True), at, line.text("query"))


def _event(line: JsonLine) -> Iterator[Entry]:
    try:
        event = event_of_json(_encoded(line))
    except InvalidRecordError as error:
        raise CorpusError(f"{line.path}, line {line.number}, field {error}") from error
    at = event.occurred_at.ToMicroseconds() / 1e6
    if not event.user_id:
        raise line.error("user_id", "missing; say who asked")
    if event.type in _ASKED:
        yield Entry(event.user_id, at, event.user_query)
    elif event.type in _OPENED and event.attributes["title"]:
        yield Entry(event.user_id, at, event.attributes["title"], is_page=True)


def _session(line: JsonLine) -> Iterator[Entry]:
    user = line.text("session", required=True)
    iterations = line.fields["iterations"]
    if not isinstance(iterations, list) or not all(isinstance(each, dict) for each in iterations):
        raise line.error("iterations", "not a list of objects; write each query of the session as one")
    for number, fields in enumerate(iterations):
        step = JsonLine(line.path, line.number, fields)
        at = _seconds(fields.get("start"), f"{line.path}, line {line.number}, field iterations[{number}].start")
        yield Entry(user, at, step.text("query"))
        for click in fields.get("clicks") or []:
            title = _clicked(fields, click)
            if title:
                place = f"{line.path}, line {line.number}, field iterations[{number}].clicks.start"
                yield Entry(user, max(at, _seconds(click.get("start"), place)), title, is_page=True)


def _clicked(fields: dict[str, object], click: object) -> str:
    """The title of the result that was clicked; sites put "Q: " before it."""
    results = fields.get("results")
    if not isinstance(click, dict) or not isinstance(results, list):
        return ""
    titles = [
        str(each.get("title", ""))
        for each in results
        if isinstance(each, dict) and each.get("rank") == click.get("rank")
    ]
    return titles[0].removeprefix("Q: ").removeprefix("A: ") if titles else ""


def _statements(line: JsonLine) -> list[str]:
    said = line.fields["ptkb"]
    if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
        raise line.error("ptkb", "not an object of strings; give each statement a number")
    return list(said.values())


def _seconds(raw: object, place: str) -> float:
    text = str(raw).strip()
    try:
        if len(text) == 12 and text.isdigit():
            return datetime.strptime(text, _COMPACT).replace(tzinfo=UTC).timestamp()
        if text.replace(".", "", 1).isdigit():
            return float(text)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CorpusError(f"{place}: {text!r} is no time; {_TIMES}") from error
    if moment.tzinfo is None:
        raise CorpusError(f"{place}: {text!r} has no time zone; {_TIMES}")
    return moment.timestamp()


def _encoded(line: JsonLine) -> bytes:
    return json.dumps(line.fields).encode()
