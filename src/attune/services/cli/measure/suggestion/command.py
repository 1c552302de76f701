"""`attune eval suggestion`: the next query, foreseen from real logs; or another ranker's worth by the log of ours."""

from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.logs.event_log import FromLog
from attune.services.cli.logs.options import OneTenant, SkipInvalid, Window, wanted
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.suggestion.cases import log_of_one, logs_of
from attune.services.cli.measure.suggestion.judging import judged
from attune.services.cli.measure.suggestion.logs import Entries, entries_in_file, entries_in_log
from attune.services.cli.measure.suggestion.report import measured
from attune.services.cli.measure.suggestion.shown import shown_in_file, shown_in_log
from attune.services.cli.measure.suggestion.world import make_world, read_entities
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking.model import RankerModel


def suggestion(  # noqa: PLR0913 - options of a command
    *,
    log: Annotated[
        Path | None, typer.Option(help="A file of queries of users: rows in JSON or TSV, events, sessions.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="JSONL of entities; without it, nothing is learned of them.")
    ] = None,
    off_policy: Annotated[
        Path | None, typer.Option(help="Instead: a file of suggestion_shown and suggestion_accepted events in JSON.")
    ] = None,
    from_log: Annotated[
        FromLog | None, typer.Option(help="Instead of a file: what the event log of the services holds of either.")
    ] = None,
    tenant: OneTenant = None,
    window: Window = None,
    skip_invalid: SkipInvalid = False,
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

    With --off-policy, or --from-log suggestions: what a ranker would have been worth, by the log of what another one
    has shown.

    With --from-log, nothing counts of users who were forgotten or have withdrawn consent to statistics, nor what
    happened while its user did not allow learning or was removed from suggestions since.

    Example: attune eval suggestion --log queries.jsonl --catalog catalog.jsonl

    Example: attune eval suggestion --from-log suggestions --ranker ranker.json
    """
    with told_plainly():
        if sum(each is not None for each in (log, off_policy, from_log)) != 1:
            raise SettingError(
                "give one of --log, a file of queries, --off-policy, a file of suggestions' events, and --from-log, "
                "which takes either from the event log"
            )
        loaded, of_log = RankerModel.load(ranker), wanted(tenant, window, system_clock(), from_log)
        if off_policy is not None:
            rows, summary = judged(shown_in_file(off_policy, tenant, skip_invalid=skip_invalid), loaded)
        elif from_log is FromLog.SUGGESTIONS:
            rows, summary = judged(shown_in_log(of_log), loaded)
        else:
            entries = entries_in_log(of_log) if log is None else entries_in_file(log, tenant, skip_invalid=skip_invalid)
            rows, summary = _foreseen(entries, catalog, model, loaded, least_users, at_most_users, seed)
        made = make_report(rows, summary, system_clock(), [f"ranker {loaded.version}"])
        if out is not None:
            write(made, out, page_of("Foreseeing the next query", made))
    show(made, as_json=as_json, brief=("pairs", "ranker", "cases", "mrr", "success_at_10", "over_query"))


def _foreseen(
    entries: Entries,
    catalog: Path | None,
    model: Path | None,
    ranker: RankerModel,
    least_users: int,
    at_most_users: int,
    seed: int,
) -> tuple[list[Row], dict[str, float]]:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    log = log_of_one(logs_of(entries, at_most_users, seed), entries.name)
    world = make_world(log, read_entities(catalog), Embedder.load(str(model) if model else None))
    rows, summary = measured(world, ranker, least_users)
    counts = {"users": len(log.users), "candidates": len(log.pool), "next_queries": len(world.judged)}
    passed_over = {"left_out": entries.left_out, "records_skipped": entries.records_skipped}
    new = sum(log.cases[place].is_new for place in world.judged)
    return rows, summary | counts | {"next_queries_new": new} | passed_over
