"""The command: a log is replayed, and each query's prefixes are completed before it is taken."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.evaluation.significance import Interval, paired_difference
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.failures import told_plainly
from attune.services.cli.logs.options import SkipInvalid
from attune.services.cli.logs.reading import AskedInFile
from attune.services.cli.measure.catalogs import labelled_catalog
from attune.services.cli.measure.completion.replay import ARMS, Case, Measure, reciprocal, replay, saved
from attune.services.cli.measure.earlier import MOST_LETTERS
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock

_MEASURES: dict[str, Measure] = {"mrr": reciprocal, "keys_saved": saved}
_COMPARED = (("personal", "popular"), ("personal", "nobody"), ("personal", "another"))


def completion(
    *,
    log: Annotated[Path, typer.Option(help="A file of rows of user, time and query, of events, or of sessions.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="JSONL of entities with id (or qid) and label; without it, only the session is personal."),
    ] = None,
    at_least: Annotated[int, typer.Option(min=1, help="A query counts when so many other users asked it.")] = 1,
    skip_invalid: SkipInvalid = False,
    seed: Annotated[int, typer.Option(help="Of who stands in for whom.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Replay a log and complete the first 1 to 10 letters of each next query, from what other users asked before it.

    Arms: "popular" ranks by how many users asked (Most Popular Completion), "nobody" as attune does for nobody in
    particular, "personal" for the user, and "another" with another user's entities and session, which must not help.
    Intervals hold 95% of resamples of users. A real count keeps nothing of fewer than five users: with --at-least 5,
    small logs have next to nothing to complete.

    Example: attune eval completion --log logs.jsonl --catalog catalog.jsonl
    """
    with told_plainly():
        with progress() as bar:
            bar.add_task("replaying", total=None)
            loaded = LoadedCatalog.of(Catalog.load([]) if catalog is None else labelled_catalog(catalog))
            cases = list(replay(AskedInFile(log, "measured", skip_invalid=skip_invalid), loaded, at_least, seed))
        if not cases:
            raise CorpusError(f"{log}: no user has two different queries in it; give a log of users with histories")
        rows = [*_by_letters(cases), *_by_cases(cases)]
        made = make_report(rows, _summary(cases), system_clock())
        if out is not None:
            write(made, out, page_of("Completing the next query", made))
    show(made, as_json=as_json)


def _by_letters(cases: Sequence[Case]) -> list[Row]:
    rows: list[Row] = []
    for letters in range(1, MOST_LETTERS + 1):
        longer = [case for case in cases if len(case.ranks["popular"]) >= letters]
        ranks = {arm: [case.ranks[arm][letters - 1] for case in longer] for arm in ARMS}
        means = {f"mrr_{arm}": sum(1 / rank for rank in ranks[arm] if rank) / max(1, len(longer)) for arm in ARMS}
        rows.append({"letters": letters, "cases": len(longer), **means})
    return rows


def _by_cases(cases: Sequence[Case]) -> list[Row]:
    kinds = {
        "all": cases,
        "new to the user": [case for case in cases if case.is_new],
        "asked by others": [case for case in cases if case.is_known],
        "new to the user, asked by others": [case for case in cases if case.is_new and case.is_known],
    }
    return [
        {"cases": kind, "number": len(chosen), "measure": name, **{arm: _mean(chosen, measure, arm) for arm in ARMS}}
        for kind, chosen in kinds.items()
        for name, measure in _MEASURES.items()
    ]


def _mean(cases: Sequence[Case], measure: Measure, arm: str) -> float:
    return sum(measure(case, arm) for case in cases) / max(1, len(cases))


def _summary(cases: Sequence[Case]) -> dict[str, float]:
    found: dict[str, float] = {"cases": len(cases), "users": len({case.user for case in cases})}
    for name, measure in _MEASURES.items():
        for ours, theirs in _COMPARED:
            difference = _difference(cases, measure, ours, theirs)
            key = f"{name}_{ours}_minus_{theirs}"
            found |= {key: difference.mean, f"{key}_low": difference.low, f"{key}_high": difference.high}
    return found


def _difference(cases: Sequence[Case], measure: Measure, ours: str, theirs: str) -> Interval:
    """Over users, each with the mean of their cases: queries of one user are not independent."""
    by_user: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_user[case.user].append(case)
    our_means, their_means = ([_mean(each, measure, arm) for each in by_user.values()] for arm in (ours, theirs))
    return paired_difference(our_means, their_means)
