"""`attune train ranker --for search`: from impressions, clicks and feedback, with the bias of positions taken out."""

import json
from pathlib import Path

from attune.services.cli.measure.shown_hits import read_hits
from attune.services.cli.output import console, print_json
from attune.services.runtime.clock import system_clock
from attune.services.search.ranking.features import NAMES
from attune.services.search.ranking.model import SearchRanker
from attune.services.search.ranking.position_bias import KNOTS, PositionBias, estimate
from attune.services.search.ranking.shown import Read
from attune.services.search.ranking.training import fit

_TOLD = 10
"""Positions of which it is told how likely users look there."""


def search_ranker(out: Path, events: Path | None, *, simulated: bool, as_json: bool) -> None:
    """Learn, write the file, and tell what was learned.

    Raises:
        CorpusError, RankerError: there is nothing to learn from.
    """
    read = read_hits(events, simulated=simulated)
    bias = estimate(read.lists)
    made = fit(read.lists, bias, _provenance(read, bias, events, simulated=simulated))
    made.save(out)
    if as_json:
        print_json(json.loads(out.read_text(encoding="utf-8")) | {"version": made.version})
    else:
        _show(made, bias, out, len(read.lists))


def _provenance(read: Read, bias: PositionBias, events: Path | None, *, simulated: bool) -> dict[str, object]:
    places = [int(each) for each in KNOTS if each <= _TOLD]
    return {
        "events": events.name if events else "the event log",
        "lists": len(read.lists),
        "clicks": sum(sum(each.chosen) for each in read.lists),
        "rejections": sum(sum(each.rejected) for each in read.lists),
        "users": len({(each.tenant, each.user) for each in read.lists}),
        "with_simulated": simulated,
        "position_bias": {
            "by": bias.method,
            "looked_at": dict(zip(map(str, places), bias.theta(places).round(4).tolist(), strict=True)),
        },
        "date": system_clock().date().isoformat(),
    }


def _show(made: SearchRanker, bias: PositionBias, out: Path, lists: int) -> None:
    console.print(f"{out}: ranker of search {made.version}, learned from {lists} lists", markup=False)
    looked = ", ".join(
        f"{place}: {chance:.2f}" for place, chance in zip((1, 2, 3, 5, 10), bias.theta([1, 2, 3, 5, 10]), strict=True)
    )
    console.print(f"  users look at places, by {bias.method}: {looked}", markup=False)
    for name, weight in sorted(zip(NAMES, made.weights, strict=True), key=lambda each: -abs(each[1])):
        console.print(f"  {name}: {weight:+.3f}", markup=False)
