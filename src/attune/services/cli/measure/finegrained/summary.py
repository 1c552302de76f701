"""What the values come to: gains of each level over plain vectors, and of the best one fused, with intervals."""

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.significance import resampled_all
from attune.services.cli.measure.finegrained.measured import (
    APPLIED,
    APPLIED_FUSED,
    BM25,
    BM25_READ,
    DROPPED,
    PLAIN,
    PLAIN_FUSED,
    SEARCHED,
    Measured,
    Values,
)
from attune.services.cli.measure.finegrained.tasks import KEYWORDS, NATURAL, PARTS

_TINY = 1e-6
_GAINS = {"keyword": (KEYWORDS,), "part_of_passage": PARTS}


def summarised(measured: Sequence[Measured]) -> dict[str, float]:
    """Of each level, all seeds together; `fused_` and `searched_` are of the one with the highest gain on keywords;
    `read_words_` are BM25's of what the backbone reads, and unread shares are of what it does not.
    """
    by_level: dict[str, list[Measured]] = {}
    for each in measured:
        by_level.setdefault(each.level, []).append(each)
    summary: dict[str, float] = {}
    for level, runs in by_level.items():
        for name, tasks in _asked(runs).items():
            summary |= _relative(f"{level}_{name}_relative_gain", runs, tasks, APPLIED, PLAIN)
            summary |= {f"{level}_{name}_relative_gain_dropped": _gain(runs, tasks, DROPPED, PLAIN)}
        summary |= _natural_gain(f"{level}_natural_gain", runs)
    best = max(by_level, key=lambda level: summary[f"{level}_keyword_relative_gain"])
    for name, tasks in _asked(by_level[best]).items():
        summary |= _absolute(f"fused_{name}_gain", by_level[best], tasks, APPLIED_FUSED, PLAIN_FUSED)
        summary |= _absolute(f"searched_{name}_gain", by_level[best], tasks, SEARCHED, PLAIN_FUSED)
        summary |= _absolute(f"searched_minus_bm25_{name}", by_level[best], tasks, SEARCHED, BM25)
        summary |= _relative(f"read_words_{name}_relative_gain", by_level[best], tasks, BM25_READ, PLAIN)
    summary |= _natural_gain("searched_natural_gain", by_level[best], SEARCHED, PLAIN_FUSED)
    return summary | _unread(by_level[best])


def _unread(runs: Sequence[Measured]) -> dict[str, float]:
    """Of each task the shares of parts that the backbone has read nothing of, and of those that it has read in part."""
    found: dict[str, float] = {}
    for task in runs[0].unread:
        shares = np.concatenate([run.unread[task] for run in runs])
        if len(shares):
            found[f"{task}_unread_share"] = float((shares == 1).mean())
            found[f"{task}_partly_unread_share"] = float(((shares > 0) & (shares < 1)).mean())
    return found


def _asked(runs: Sequence[Measured]) -> dict[str, list[str]]:
    """The tasks of each figure that there are queries of; parts may be longer than all passages."""
    asked = {name: [task for task in tasks if len(_joined(runs[0], task, PLAIN))] for name, tasks in _GAINS.items()}
    return {name: tasks for name, tasks in asked.items() if tasks}


def _means(
    runs: Sequence[Measured], tasks: Sequence[str], system: str
) -> Callable[[Sequence[NDArray[np.intp]]], float]:
    """The macro mean over tasks, of places drawn of each run's and task's queries."""
    groups = [_joined(run, task, system) for task in tasks for run in runs]

    def mean(drawn: Sequence[NDArray[np.intp]]) -> float:
        means = [float(values[places].mean()) for values, places in zip(groups, drawn, strict=True)]
        return fmean(means)

    return mean


def _counts(runs: Sequence[Measured], tasks: Sequence[str]) -> list[int]:
    return [len(_joined(run, task, PLAIN)) for task in tasks for run in runs]


def _joined(run: Measured, task: str, system: str) -> Values:
    return np.concatenate(run.values[system][task])


def _gain(runs: Sequence[Measured], tasks: Sequence[str], ours: str, theirs: str) -> float:
    everything = [np.arange(count) for count in _counts(runs, tasks)]
    return _ratio(_means(runs, tasks, ours)(everything), _means(runs, tasks, theirs)(everything))


def _ratio(ours: float, theirs: float) -> float:
    return ours / max(theirs, _TINY) - 1


def _relative(name: str, runs: Sequence[Measured], tasks: Sequence[str], ours: str, theirs: str) -> dict[str, float]:
    ours_of, theirs_of = _means(runs, tasks, ours), _means(runs, tasks, theirs)
    return _interval(name, _counts(runs, tasks), lambda drawn: _ratio(ours_of(drawn), theirs_of(drawn)))


def _absolute(name: str, runs: Sequence[Measured], tasks: Sequence[str], ours: str, theirs: str) -> dict[str, float]:
    ours_of, theirs_of = _means(runs, tasks, ours), _means(runs, tasks, theirs)
    return _interval(name, _counts(runs, tasks), lambda drawn: ours_of(drawn) - theirs_of(drawn))


def _natural_gain(
    name: str, runs: Sequence[Measured], ours_by: str = APPLIED, theirs_by: str = PLAIN
) -> dict[str, float]:
    """Of people's queries: the mean over corpora. All seeds have the same ones: each is one query, by its mean."""
    corpora = zip(
        *(zip(run.values[ours_by][NATURAL], run.values[theirs_by][NATURAL], strict=True) for run in runs), strict=True
    )
    differences = [
        np.mean([ours - theirs for ours, theirs in of_runs], axis=0) for of_runs in corpora if len(of_runs[0][0])
    ]
    if not differences:
        return {}

    def macro(drawn: Sequence[NDArray[np.intp]]) -> float:
        return fmean(float(each[places].mean()) for each, places in zip(differences, drawn, strict=True))

    return _interval(name, [len(each) for each in differences], macro)


def _interval(
    name: str, counts: Sequence[int], measure: Callable[[Sequence[NDArray[np.intp]]], float]
) -> dict[str, float]:
    found = resampled_all(counts, measure)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
