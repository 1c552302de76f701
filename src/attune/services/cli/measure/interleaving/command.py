"""`attune eval interleaving`: reads what was compared from the log, and tells which ranking won, and how surely."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, report
from attune.services.cli.measure.shown_hits import read_hits
from attune.services.cli.options import Json
from attune.services.cli.output import console
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.search.comparing.outcome import FEWEST_USERS, Outcome, outcomes
from attune.services.search.ranking.configured import configured_rankings
from attune.services.search.ranking.token import Method

_WAYS = {Method.INTERLEAVING: "interleaving", Method.USERS: "users"}
_NOTHING = (
    "nothing was compared: set ATTUNE_SEARCH_COMPARE, or name two rankings in a search, and send hits' tokens back"
)


def interleaving(
    *,
    log: Annotated[
        Path | None, typer.Option(help="A JSONL file of events, instead of the event log that is configured.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Count what programs did in the place of users, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell which of two rankings users preferred: interleaved in one list, or shown to different users.

    Counted by user. The interval is of 95%; without a winner, sessions_needed says how many it would take to find a
    difference as large as the one seen.

    Example: attune eval interleaving --log events.jsonl
    """
    with told_plainly():
        found = outcomes(read_hits(log, simulated=simulated).lists)
        names = {ranking.version: name for name, ranking in configured_rankings(Config()).by_name.items()}
    rows = [_row(each, names) for each in found]
    report(rows, _summary(found), system_clock(), as_json=as_json)
    if not as_json:
        for sentence in [_sentence(each, names) for each in found] or [_NOTHING]:
            console.print(sentence, markup=False)


def _row(each: Outcome, names: Mapping[str, str]) -> Row:
    return {
        "first": names.get(each.first, each.first),
        "second": names.get(each.second, each.second),
        "by": _WAYS[each.method],
        "winner": names.get(each.winner, each.winner) or "none",
        "effect": each.effect,
        "low": each.low,
        "high": each.high,
        "p_value": each.p_value,
        "first_wins": each.first_wins,
        "second_wins": each.second_wins,
        "users": each.users,
        "sessions": each.sessions,
        "lists": each.lists,
        "sessions_needed": each.sessions_needed if each.sessions_needed is not None else "unknown",
    }


def _summary(found: list[Outcome]) -> dict[str, float]:
    """Of the comparison with the most lists."""
    if not found:
        return {"comparisons": 0}
    first = found[0]
    return {"comparisons": len(found), "effect": first.effect, "p_value": first.p_value, "users": first.users}


def _sentence(each: Outcome, names: Mapping[str, str]) -> str:
    first, second = (names.get(version, version) for version in (each.first, each.second))
    seen = f"effect {each.effect:+.3f} [{each.low:+.3f}, {each.high:+.3f}], p = {each.p_value:.3g}"
    if each.winner:
        won, lost = (first, second) if each.winner == each.first else (second, first)
        return f"{won} is better than {lost} ({_WAYS[each.method]}): {seen}"
    if each.users < FEWEST_USERS:
        return f"{first} and {second} ({_WAYS[each.method]}): of {each.users} users nothing can be told; {seen}"
    needed = f"about {each.sessions_needed} sessions" if each.sessions_needed else "no number of sessions that is known"
    mend = f"{needed} would be needed for a difference as large as this, and there are {each.sessions}"
    return f"{first} and {second} ({_WAYS[each.method]}) may be equal: {seen}; {mend}"
