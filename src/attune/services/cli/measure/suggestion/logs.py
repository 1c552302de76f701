"""What users asked and opened, by time: what next queries are told from, tenant by tenant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attune.services.cli.logs.event_log import Wanted, said_in_log
from attune.services.cli.logs.reading import LogFile
from attune.services.cli.logs.said import Opened, Said
from attune.services.runtime.call import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Entry:
    """A query, or with `is_page` the title of a page that was opened. `at` is in seconds."""

    user: str
    at: float
    text: str
    is_page: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """All entries by tenant, each by time, and what was passed over on the way to them."""

    name: str
    """Of where they come from, for messages."""
    by_tenant: Mapping[str, Sequence[Entry]]
    left_out: int = 0
    """Whose users were forgotten, do not allow it, or have removed them."""
    records_skipped: int = 0
    """Records of the event log, or lines of a file, that are wrong."""


def entries_in_file(path: Path, tenant: str | None = None, *, skip_invalid: bool = False) -> Entries:
    """What a file says, of one tenant or of all. Raises CorpusError for a line that is wrong."""
    file = LogFile(path, tenant or DEFAULT_TENANT, skip_invalid=skip_invalid)
    found = entries_of(each for each in file if tenant in (None, each.user.tenant))
    return Entries(str(path), found, records_skipped=file.skipped)


def entries_in_log(wanted: Wanted) -> Entries:
    """What the event log says. Raises as `said_in_log` does."""
    with said_in_log(wanted) as said:
        return Entries("the event log", entries_of(said), said.left_out, said.skipped)


def entries_of(said: Iterable[Said]) -> dict[str, list[Entry]]:
    """Of each tenant, by time; of the same time in the order given. Blank texts are left out."""
    found: dict[str, list[Entry]] = {}
    for each in said:
        if each.text.strip():
            made = Entry(each.user.user, each.at.timestamp(), each.text, isinstance(each, Opened))
            found.setdefault(each.user.tenant, []).append(made)
    return {tenant: sorted(entries, key=lambda entry: entry.at) for tenant, entries in sorted(found.items())}
