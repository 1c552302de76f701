"""`attune train ranker`: the weights of a ranker.

That of suggestions is learned from a log of queries or from what was accepted; that of search from what was clicked.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.logs.event_log import FromLog
from attune.services.cli.logs.options import OneTenant, SkipInvalid, Window, wanted
from attune.services.cli.measure.suggestion.logs import entries_in_file, entries_in_log
from attune.services.cli.measure.suggestion.shown import shown_in_file, shown_in_log
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.cli.train.ranker_sources import Sources
from attune.services.cli.train.search_ranker import search_ranker
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel


class Purpose(StrEnum):
    """What a ranker ranks."""

    SUGGESTION = "suggestion"
    SEARCH = "search"


Out = Annotated[
    Path,
    typer.Option(
        help="The JSON file to write; ATTUNE_RANKER_PATH, or ATTUNE_SEARCH_RANKER_PATH, names it to the service."
    ),
]
Events = Annotated[
    Path | None,
    typer.Option(
        help="Events in JSON, with their tokens: suggestion_shown and suggestion_accepted; or, for search, "
        "impression, click and feedback. For search, without it: the event log."
    ),
]


def ranker(  # noqa: PLR0913 - one parameter an option
    *,
    out: Out,
    purpose: Annotated[Purpose, typer.Option("--for", help="What it ranks.")] = Purpose.SUGGESTION,
    log: Annotated[Path | None, typer.Option(help="Queries of users, as for `attune eval suggestion`.")] = None,
    events: Events = None,
    from_log: Annotated[
        list[FromLog] | None,
        typer.Option(help="The same of the event log of the services, in place of a file; may be given twice."),
    ] = None,
    tenant: OneTenant = None,
    window: Window = None,
    skip_invalid: SkipInvalid = False,
    catalog: Annotated[Path | None, typer.Option(help="JSONL of entities, for what a log tells of them.")] = None,
    model: Annotated[Path | None, typer.Option(help="A model directory; without it, the packaged one.")] = None,
    at_most_users: Annotated[
        int, typer.Option(min=1, help="Of a larger log, so many users of a tenant at random.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Of the users drawn.")] = 0,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Learn from programs that play users, too; for search.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn to rank: of each list, the one that was asked next, accepted or clicked above the others.

    For suggestions: of queries it learns from next ones; of suggestions' events from what was accepted alone, against
    what was shown above it. Several sources may be given, and users of several tenants stay strangers to each other.
    With --from-log, nothing is learned of users who were forgotten or have withdrawn consent to statistics, nor from
    what happened while its user did not allow learning or was removed from suggestions since.

    For search: from clicks and feedback, each counted by how seldom users look at its place, which is learned from the
    log too. The file holds a weight for each feature, and no text.

    Example: attune train ranker --from-log suggestions --out ranker.json
    """
    if purpose is Purpose.SEARCH:
        with told_plainly():
            if log is not None:
                raise SettingError("--log: is of queries, from which no ranker of search is learned; give --events")
            search_ranker(out, events, simulated=simulated, as_json=as_json)
        return
    with told_plainly():
        of_log, taken = wanted(tenant, window, system_clock(), from_log), set(from_log or ())
        sources = Sources()
        if events is not None:
            sources.add_shown(events.name, shown_in_file(events, tenant, skip_invalid=skip_invalid))
        if FromLog.SUGGESTIONS in taken:
            sources.add_shown("event log", shown_in_log(of_log))
        read = [entries_in_file(log, tenant, skip_invalid=skip_invalid)] if log is not None else []
        read += [entries_in_log(of_log)] if FromLog.QUERIES in taken else []
        for each in read:
            sources.add_queries(each, catalog, model, at_most_users, seed)
        made = sources.fitted()
        made.save(out)
    _show(made, out, sources, as_json=as_json)


def _show(made: RankerModel, out: Path, sources: Sources, *, as_json: bool) -> None:
    if as_json:
        print_json(json.loads(out.read_text(encoding="utf-8")) | {"version": made.version} | sources.passed_over)
        return
    console.print(f"{out}: ranker {made.version}, learned from {len(sources.lessons)} lists", markup=False)
    passed_over = ", ".join(f"{name} {count}" for name, count in sources.passed_over.items() if count)
    if passed_over:
        console.print(f"passed over: {passed_over}", markup=False)
    for name, weight in sorted(zip(FEATURES, made.weights, strict=True), key=lambda each: -abs(each[1])):
        console.print(f"  {name}: {weight:+.3f}", markup=False)
