"""`attune eval suggestion`: the next query, foreseen from real logs; or another ranker's worth by the log of ours."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.significance import resampled_all
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.suggestion.cases import cases_of
from attune.services.cli.measure.suggestion.logs import read_log
from attune.services.cli.measure.suggestion.report import measured
from attune.services.cli.measure.suggestion.scores import named
from attune.services.cli.measure.suggestion.shown import read_shown
from attune.services.cli.measure.suggestion.world import make_world, read_entities
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress_console
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.off_policy import Estimates, Shown, estimates, is_explored

_UNKNOWN = "unknown"
_UNEXPLORED = (
    "No place of these lists was drawn (every propensity is 1): they tell nothing of another order. "
    "Set ATTUNE_SUGGESTION_EXPLORATION above 0 where suggestions are served, and judge rankers by what is shown then."
)


def suggestion(  # noqa: PLR0913 - options of a command
    *,
    log: Annotated[
        Path | None, typer.Option(help="Queries of users: rows in JSON or TSV, UBI events, sessions.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="JSONL of entities; without it, nothing is learned of them.")
    ] = None,
    off_policy: Annotated[
        Path | None, typer.Option(help="Instead: a file of suggestion_shown and suggestion_accepted events in JSON.")
    ] = None,
    ranker: Annotated[Path | None, typer.Option(help="A ranker to measure; without it, the packaged one.")] = None,
    model: Annotated[Path | None, typer.Option(help="A model directory; without it, the packaged one.")] = None,
    least_users: Annotated[
        int, typer.Option(min=1, help="A query of others is a candidate of our own making if so many others asked it.")
    ] = 1,
    at_most_users: Annotated[int, typer.Option(min=1, help="Of a larger log, so many users at random.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the users drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how well the next query of a user is foreseen, from what was known strictly before it.

    Each next query that differs from the current one is ranked among all queries of the log's users: by others' most
    frequent ones, by the query, with its session, page and history, and by rankers that are learned from the other
    users. Controls get somebody else's history. Figures are of queries that are new to their user.

    With --off-policy: what a ranker would have been worth, by the log of what another one has shown.

    Example: attune eval suggestion --log queries.jsonl --catalog catalog.jsonl
    """
    with told_plainly():
        if (log is None) == (off_policy is None):
            raise SettingError("give either --log, a file of queries, or --off-policy, a file of suggestions' events")
        loaded = RankerModel.load(ranker)
        if off_policy is not None:
            rows, summary = _off_policy(off_policy, loaded)
        else:
            rows, summary = _foreseen(log or Path(), catalog, model, loaded, least_users, at_most_users, seed)
        made = make_report(rows, summary, system_clock(), [f"ranker {loaded.version}"])
        if out is not None:
            write(made, out, page_of("Foreseeing the next query", made))
    show(made, as_json=as_json, brief=("pairs", "ranker", "cases", "mrr", "success_at_10", "over_query"))


def _foreseen(
    log: Path,
    catalog: Path | None,
    model: Path | None,
    ranker: RankerModel,
    least_users: int,
    at_most_users: int,
    seed: int,
) -> tuple[list[Row], dict[str, float]]:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    cases = cases_of(read_log(log), str(log), at_most_users, seed)
    entities = read_entities(catalog)
    world = make_world(cases, entities, Embedder.load(str(model) if model else None))
    rows, summary = measured(world, ranker, least_users)
    counts = {"users": len(cases.users), "candidates": len(cases.pool), "next_queries": len(world.judged)}
    return rows, summary | counts | {"next_queries_new": sum(cases.cases[place].is_new for place in world.judged)}


def _off_policy(file: Path, ranker: RankerModel) -> tuple[list[Row], dict[str, float]]:
    """What is not known is no figure of the summary, and the rows say so."""
    found = read_shown(file)
    if not is_explored(found.lists):
        progress_console.print(_UNEXPLORED, style="yellow")
    made = estimates(found.lists, ranker)
    rows = list(_estimated(found.lists, made))
    figures = {
        f"{row['estimate']}{suffix}": float(value)
        for row in rows
        for suffix in ("", "_low", "_high")
        if (value := row[f"accepted_a_list{suffix}"]) != _UNKNOWN
    }
    stands_on = {"known_places": made.known_places, "effective_lists": made.effective_lists}
    counts = {"lists": len(found.lists), "events_skipped": found.skipped, "events_without_query_id": found.without_list}
    return rows, figures | {"replay_rate": made.agreeing} | stands_on | counts


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
