"""`attune train ranker`: the weights of a ranker.

That of suggestions is learned from a log of queries or from what was accepted; that of search from what was clicked.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.suggestion.cases import cases_of
from attune.services.cli.measure.suggestion.ladder import PAGE, SERVED, lessons_of
from attune.services.cli.measure.suggestion.logs import read_log
from attune.services.cli.measure.suggestion.shown import read_shown
from attune.services.cli.measure.suggestion.world import make_world, read_entities
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.cli.train.search_ranker import search_ranker
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.ranking import learning
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.training import Lesson, fit


class Purpose(StrEnum):
    """What a ranker ranks."""

    SUGGESTION = "suggestion"
    SEARCH = "search"


def ranker(  # noqa: PLR0913 - one parameter an option
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="The JSON file to write; ATTUNE_RANKER_PATH, or ATTUNE_SEARCH_RANKER_PATH, names it to the service."
        ),
    ],
    purpose: Annotated[Purpose, typer.Option("--for", help="What it ranks.")] = Purpose.SUGGESTION,
    log: Annotated[Path | None, typer.Option(help="Queries of users, as for `attune eval suggestion`.")] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            help="Events in JSON, with their tokens: suggestion_shown and suggestion_accepted; or, for search, "
            "impression, click and feedback. For search, without it: the event log."
        ),
    ] = None,
    catalog: Annotated[Path | None, typer.Option(help="JSONL of entities, for what a log tells of them.")] = None,
    model: Annotated[Path | None, typer.Option(help="A model directory; without it, the packaged one.")] = None,
    at_most_users: Annotated[int, typer.Option(min=1, help="Of a larger log, so many users at random.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the users drawn.")] = 0,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Learn from programs that play users, too; for search.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn to rank: of each list, the one that was asked next, accepted or clicked above the others.

    For suggestions: of a log it learns from next queries; of events from accepted suggestions alone, against those
    shown above them. Both may be given. For search: from clicks and feedback, each counted by how seldom users look at
    its place, which is learned from the log too. The file holds a weight for each feature, and no text.

    Example: attune train ranker --log queries.jsonl --out ranker.json
    """
    if purpose is Purpose.SEARCH:
        with told_plainly():
            if log is not None:
                raise SettingError("--log: is of queries, from which no ranker of search is learned; give --events")
            search_ranker(out, events, simulated=simulated, as_json=as_json)
        return
    with told_plainly():
        lessons, told = _lessons(log, events, catalog, model, at_most_users, seed)
        made = fit(lessons, told | {"lists": len(lessons), "date": system_clock().date().isoformat()})
        made.save(out)
    if as_json:
        print_json(json.loads(out.read_text(encoding="utf-8")) | {"version": made.version})
    else:
        _show(made, out, len(lessons))


def _lessons(
    log: Path | None, events: Path | None, catalog: Path | None, model: Path | None, at_most_users: int, seed: int
) -> tuple[list[Lesson], dict[str, Any]]:
    if log is None and events is None:
        raise SettingError("give --log, a file of queries, or --events, a file of suggestions' events, or both")
    lessons: list[Lesson] = []
    told: dict[str, Any] = {}
    if events is not None:
        lessons += learning.lessons_of(read_shown(events).lists)
        told["events"] = events.name
    if log is not None:
        lessons += _of_log(log, catalog, model, at_most_users, seed)
        told["log"] = log.name
    return lessons, told


def _of_log(log: Path, catalog: Path | None, model: Path | None, at_most_users: int, seed: int) -> list[Lesson]:
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    cases = cases_of(read_log(log), str(log), at_most_users, seed)
    world = make_world(cases, read_entities(catalog), Embedder.load(str(model) if model else None))
    inputs = SERVED if world.entities is not None else PAGE
    return [lesson for _, lesson in lessons_of(world, inputs)]


def _show(made: RankerModel, out: Path, lists: int) -> None:
    console.print(f"{out}: ranker {made.version}, learned from {lists} lists", markup=False)
    for name, weight in sorted(zip(FEATURES, made.weights, strict=True), key=lambda each: -abs(each[1])):
        console.print(f"  {name}: {weight:+.3f}", markup=False)
