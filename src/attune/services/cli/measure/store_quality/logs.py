"""Real users' logs as interactions, a directory for each set; one text is one query event.

    <set>/logs.jsonl          {"user", "ts": "YYMMDDhhmmss", "query"}: web queries, as Excite's of 1997
    <set>/users_ptkb.jsonl    {"user", "ptkb": {number: statement}}: what people say of themselves, as TREC iKAT's

Statements bear no times: they are dated a minute apart, from 2023 on, in the order of the file.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.services.cli.corpora.jsonlines import JsonLine, read_json_lines
from attune.services.cli.corpora.model import CorpusError

_TENANT = "measured"
_STATEMENTS_BEGIN = datetime(2023, 1, 1, tzinfo=UTC)


def read_sets(directory: Path) -> dict[str, list[Interaction]]:
    """Each set's events, by time. Raises CorpusError for a directory without any set, and for a line that is wrong."""
    found = {
        folder.name: sorted(read(folder / name), key=lambda event: event.occurred_at)
        for folder in (sorted(directory.iterdir()) if directory.is_dir() else [])
        for name, read in _LAYOUTS.items()
        if (folder / name).exists()
    }
    if not found:
        raise CorpusError(f"{directory}: no <set>/{' nor <set>/'.join(_LAYOUTS)} in it; name the directory of the sets")
    return found


def _queries(path: Path) -> Iterator[Interaction]:
    for line in read_json_lines(path):
        yield _event(line, str(line.number), line.text("query"), _time(line))


def _statements(path: Path) -> Iterator[Interaction]:
    number = 0
    for line in read_json_lines(path):
        said = line.fields.get("ptkb")
        if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
            raise line.error("ptkb", "not an object of strings; give each statement a number")
        for name, statement in said.items():
            yield _event(line, f"{line.number}-{name}", statement, _STATEMENTS_BEGIN + timedelta(minutes=number))
            number += 1


def _event(line: JsonLine, event_id: str, text: str, at: datetime) -> Interaction:
    user = UserKey(_TENANT, line.text("user", required=True))
    return Interaction(event_id, user, EventKind.QUERY, at, at, user_query=text)


def _time(line: JsonLine) -> datetime:
    try:
        return datetime.strptime(line.text("ts", required=True), "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise line.error("ts", f"{error}; write YYMMDDhhmmss") from error


_LAYOUTS: Mapping[str, Callable[[Path], Iterator[Interaction]]] = {
    "logs.jsonl": _queries,
    "users_ptkb.jsonl": _statements,
}
