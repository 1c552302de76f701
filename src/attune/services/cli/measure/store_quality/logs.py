"""Real users' logs as interactions, a directory for each set; one text is one query event.

    <set>/logs.jsonl          web queries, as Excite's of 1997
    <set>/users_ptkb.jsonl    what people say of themselves, as TREC iKAT's

Either is read as logs/reading.py says.
"""

from collections.abc import Iterator
from pathlib import Path

from attune.knowledge_store.model import EventKind, Interaction
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.logs.reading import LogFile
from attune.services.suggestion.queries.asked import Asked

_TENANT = "measured"
_NAMES = ("logs.jsonl", "users_ptkb.jsonl")


def read_sets(directory: Path) -> dict[str, list[Interaction]]:
    """Each set's events, by time. Raises CorpusError for a directory without any set, and for a line that is wrong."""
    found = {
        folder.name: sorted(_events(folder / name), key=lambda event: event.occurred_at)
        for folder in (sorted(directory.iterdir()) if directory.is_dir() else [])
        for name in _NAMES
        if (folder / name).exists()
    }
    if not found:
        raise CorpusError(f"{directory}: no <set>/{' nor <set>/'.join(_NAMES)} in it; name the directory of the sets")
    return found


def _events(path: Path) -> Iterator[Interaction]:
    for number, each in enumerate(LogFile(path, _TENANT), start=1):
        if isinstance(each, Asked):
            yield Interaction(str(number), each.user, EventKind.QUERY, each.at, each.at, user_query=each.text)
