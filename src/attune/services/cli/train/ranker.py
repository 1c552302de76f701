"""`attune train ranker`: the weights of the suggestion ranker, from what was asked next or from what was accepted."""

import json
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.failures import told_plainly
from attune.services.cli.logs.event_log import FromLog
from attune.services.cli.logs.options import OneTenant, SkipInvalid, Window, wanted
from attune.services.cli.measure.suggestion.logs import entries_in_file, entries_in_log
from attune.services.cli.measure.suggestion.shown import shown_in_file, shown_in_log
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.cli.train.ranker_sources import Sources
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel


def ranker(  # noqa: PLR0913 - options of a command
    *,
    out: Annotated[Path, typer.Option(help="The JSON file to write; ATTUNE_RANKER_PATH names it to the service.")],
    log: Annotated[Path | None, typer.Option(help="Queries of users, as for `attune eval suggestion`.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="suggestion_shown and suggestion_accepted events in JSON, with their tokens.")
    ] = None,
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
    as_json: Json = False,
) -> None:
    """Learn to rank suggestions: of each list, the one that was asked next, or accepted, above the others.

    Of queries it learns from next ones; of suggestions' events from what was accepted alone, against what was shown
    above it. Several sources may be given, and users of several tenants stay strangers to each other. The file holds a
    weight for each feature, and no text.

    With --from-log, nothing is learned of users who were forgotten or have withdrawn consent to statistics, nor from
    what happened while its user did not allow learning or was removed from suggestions since.

    Example: attune train ranker --from-log suggestions --out ranker.json

    Example: attune train ranker --log queries.jsonl --out ranker.json
    """
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
    if as_json:
        print_json(json.loads(out.read_text(encoding="utf-8")) | {"version": made.version} | sources.passed_over)
    else:
        _show(made, out, sources)


def _show(made: RankerModel, out: Path, sources: Sources) -> None:
    console.print(f"{out}: ranker {made.version}, learned from {len(sources.lessons)} lists", markup=False)
    passed_over = ", ".join(f"{name} {count}" for name, count in sources.passed_over.items() if count)
    if passed_over:
        console.print(f"passed over: {passed_over}", markup=False)
    for name, weight in sorted(zip(FEATURES, made.weights, strict=True), key=lambda each: -abs(each[1])):
        console.print(f"  {name}: {weight:+.3f}", markup=False)
