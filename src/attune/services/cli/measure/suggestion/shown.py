"""Suggestions' events, of a file or of the event log, as lists that were shown."""

from dataclasses import dataclass
from pathlib import Path

from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.logs.event_log import Wanted, suggestions_in_log
from attune.services.cli.logs.reading import LogFile
from attune.services.cli.output import progress_console
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.suggestion.ranking.learning import Learned, lists_of


@dataclass(frozen=True, slots=True)
class ShownLists:
    """The lists, and what was passed over on the way to them."""

    learned: Learned
    left_out: int = 0
    """Events whose users were forgotten, do not allow it, or have removed them."""
    records_skipped: int = 0
    """Records of the event log, or lines of a file, that are no event."""


def shown_in_file(path: Path, tenant: str | None = None, *, skip_invalid: bool = False) -> ShownLists:
    """Of one tenant, or of all. Tells on standard error how many events were passed over.

    Raises:
        CorpusError: a line is no event, or no list was shown.
    """
    file = LogFile(path, tenant or DEFAULT_TENANT, skip_invalid=skip_invalid)
    learned = lists_of(each for each in file.events() if tenant in (None, each.tenant_id))
    return _told(str(path), ShownLists(learned, records_skipped=file.skipped))


def shown_in_log(wanted: Wanted) -> ShownLists:
    """The same of the event log. Raises CorpusError where no list was shown, and as `suggestions_in_log` does."""
    with suggestions_in_log(wanted) as found:
        learned = lists_of(each.event for each in found)
        return _told("the event log", ShownLists(learned, found.left_out, found.skipped))


def _told(name: str, shown: ShownLists) -> ShownLists:
    learned = shown.learned
    passed_over = (
        f"{learned.skipped} without a suggestion_token that this version reads, {learned.without_list} without a "
        "query_id"
    )
    if not learned.lists:
        raise CorpusError(
            f"{name}: no suggestion_shown event to learn from ({passed_over}, {shown.left_out} of users who were "
            "forgotten, do not allow it, or have removed them); put the token of each suggestion into attributes of "
            "its events, and the suggestions_id of its list into query_id"
        )
    if learned.skipped or learned.without_list:
        progress_console.print(f"{name}: events passed over: {passed_over}", style="yellow", markup=False)
    return shown
