"""Another ranker's worth by what was shown and accepted: rows and figures."""

from collections.abc import Iterator, Sequence

import numpy as np

from attune.embeddings.evaluation.significance import resampled_all
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion.scores import named
from attune.services.cli.measure.suggestion.shown import ShownLists
from attune.services.cli.output import progress_console
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.off_policy import Estimates, Shown, estimates, is_explored

_UNKNOWN = "unknown"
_UNEXPLORED = (
    "No place of these lists was drawn (every propensity is 1): they tell nothing of another order. "
    "Set ATTUNE_SUGGESTION_EXPLORATION above 0 where suggestions are served, and judge rankers by what is shown then."
)


def judged(shown: ShownLists, ranker: RankerModel) -> tuple[list[Row], dict[str, float]]:
    """Of all lists, and of each tenant's where there are several. What is not known is no figure of the summary, and
    the rows say so.
    """
    lists = shown.learned.lists
    if not is_explored(lists):
        progress_console.print(_UNEXPLORED, style="yellow")
    made = estimates(lists, ranker)
    rows = list(_estimated(lists, made))
    figures = {
        f"{row['estimate']}{suffix}": float(value)
        for row in rows
        for suffix in ("", "_low", "_high")
        if (value := row[f"accepted_a_list{suffix}"]) != _UNKNOWN
    }
    stands_on = {"known_places": made.known_places, "effective_lists": made.effective_lists}
    counts = {
        "lists": len(lists),
        "events_skipped": shown.learned.skipped,
        "events_without_query_id": shown.learned.without_list,
        "left_out": shown.left_out,
        "records_skipped": shown.records_skipped,
    }
    return [*rows, *_by_tenant(lists, ranker)], figures | {"replay_rate": made.agreeing} | stands_on | counts


def _by_tenant(lists: Sequence[Shown], ranker: RankerModel) -> Iterator[Row]:
    tenants = sorted({each.tenant for each in lists})
    for tenant in tenants if len(tenants) > 1 else ():
        own = [each for each in lists if each.tenant == tenant]
        yield from ({"tenant": tenant, **row} for row in _estimated(own, estimates(own, ranker)))


def _estimated(lists: Sequence[Shown], made: Estimates) -> Iterator[Row]:
    """With intervals by user: lists of one user are alike. Unknown is a bound as well where it may be unknown."""
    of_users: dict[tuple[str, str], list[int]] = {}
    for place, each in enumerate(lists):
        of_users.setdefault((each.tenant, each.user), []).append(place)
    places = [np.array(each) for each in of_users.values()]
    for name in ("logged", "snips", "ips", "clipped", "replay"):
        measure = getattr(made, name)
        found = resampled_all([len(places)], lambda drawn: measure(np.concatenate([places[user] for user in drawn[0]])))  # noqa: B023
        told = {
            key: _UNKNOWN if np.isnan(figure) else figure for key, figure in named("accepted_a_list", found).items()
        }
        yield {"estimate": name, "lists": len(lists), "users": len(places), **told}
