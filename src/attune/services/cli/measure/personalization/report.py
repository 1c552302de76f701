"""The rows and figures: every step of every set, what it adds to the plain ranking, and how many queries it harms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.significance import Interval
from attune.services.cli.measure.personalization.ground import Grounds
from attune.services.cli.measure.personalization.ladder import (
    FOLDS,
    PLAIN,
    Inputs,
    Lesson,
    Ranker,
    fitted,
    ladder,
    lessons,
)
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion.scores import interval, named
from attune.services.search.leaning.gates import Gates

_HARM = 0.1
"""A query that loses more nDCG@10 than this is harmed."""


@dataclass(frozen=True)
class Measured:
    """A step on a set: of each query what it adds to the plain nDCG@10, and whether the context counted."""

    set: str
    inputs: Inputs
    plain: NDArray[np.float64]
    gains: NDArray[np.float64]
    applied: NDArray[np.bool_]
    users: NDArray[np.intp]

    @property
    def gain(self) -> Interval:
        """With users drawn anew."""
        return interval(self.gains, self.users)

    @property
    def harmed(self) -> float:
        """The share of queries that lose much."""
        return float((self.gains < -_HARM).mean())

    def row(self) -> Row:
        found = self.plain + self.gains
        return {
            "set": self.set,
            "sees": self.inputs.name,
            "queries": len(self.gains),
            "users": len(np.unique(self.users)),
            "ndcg_at_10": float(found.mean()),
            **named("over_plain", self.gain),
            "harmed_share": self.harmed,
            "applied_share": float(self.applied.mean()),
        }


class Folds:
    """The folds of all users: conversations about one subject are in one, so that nothing is learned of it."""

    def __init__(self, users: Sequence[str]) -> None:
        subjects = list(dict.fromkeys(_subject(user) for user in users))
        numbers = np.random.default_rng(0).permutation(len(subjects)) % FOLDS
        self._of = dict(zip(subjects, numbers.tolist(), strict=True))

    def of(self, user: str) -> int:
        return int(self._of[_subject(user)])


def _subject(user: str) -> str:
    """Of ikat's users 2023train_3-1 and 2023train_3-2 it is 2023train_3."""
    return user.rpartition("-")[0] or user


def learned(all_grounds: Sequence[Grounds], folds: Folds) -> list[Lesson]:
    """From every set."""
    return [
        lesson
        for place, grounds in enumerate(all_grounds)
        for lesson in lessons(Ranker(grounds), _folds_of(grounds, place, folds))
    ]


def _folds_of(grounds: Grounds, place: int, folds: Folds) -> list[int]:
    """Of each case its fold; of strangers, those of a set are one."""
    if grounds.set.is_strangers:
        return [FOLDS + place] * len(grounds.set.cases)
    return [folds.of(case.user) for case in grounds.set.cases]


def measured(all_grounds: Sequence[Grounds], taught: Sequence[Lesson], folds: Folds) -> Iterator[Measured]:
    """All steps of all sets, with cross-fitted gates."""
    found = {place: _folds_of(grounds, place, folds) for place, grounds in enumerate(all_grounds)}
    others = {fold: fitted(taught, fold) for fold in {each for of_set in found.values() for each in of_set}}
    for place, grounds in enumerate(all_grounds):
        yield from _steps(grounds, [others[fold] for fold in found[place]])


def measured_by(gates: Gates, all_grounds: Sequence[Grounds]) -> Iterator[Measured]:
    """All steps of all sets, with these gates: of sets that taught them, nothing is shown by it."""
    for grounds in all_grounds:
        yield from _steps(grounds, [gates] * len(grounds.set.cases))


def _steps(grounds: Grounds, gates: Sequence[Gates]) -> Iterator[Measured]:
    ranker = Ranker(grounds)
    plain = np.array([ranker.plain(ground) for ground in grounds.all])
    number = {user: place for place, user in enumerate(grounds.set.users)}
    users = np.array([number[case.user] for case in grounds.set.cases])
    nothing, never = np.zeros(len(plain)), np.zeros(len(plain), bool)
    yield Measured(grounds.set.name, PLAIN, plain, nothing, never, users)
    dense = np.array([ground.dense for ground in grounds.all])
    yield Measured(grounds.set.name, Inputs(kind="dense alone"), plain, dense - plain, never, users)
    for inputs in ladder(grounds):
        found = [ranker.quality(place, inputs, gates[place]) for place in range(len(plain))]
        after, applied = np.array([each for each, _ in found]), np.array([each for _, each in found])
        yield Measured(grounds.set.name, inputs, plain, after - plain, applied, users)


def summarised(found: Sequence[Measured]) -> dict[str, float]:
    """The figures of the sets that were measured."""
    by = {(each.set, each.inputs): each for each in found}
    summary: dict[str, float] = {}
    for figure, (name, inputs) in _GAINS.items():
        if (name, inputs) in by:
            summary |= named(figure, by[name, inputs].gain)
    for figure, (name, ours, theirs) in _DIFFERENCES.items():
        if (name, ours) in by:
            one, other = by[name, ours], by[name, theirs]
            summary |= named(figure, interval(one.gains - other.gains, one.users))
    return summary | _harm(found)


_SESSION = Inputs("own")
_GAINS: Mapping[str, tuple[str, Inputs]] = {
    "ndcg_at_10_gain_ikat_session": ("ikat", _SESSION),
    "ndcg_at_10_gain_ikat_history": ("ikat", Inputs(history="own", kind="statements")),
    "ndcg_at_10_gain_ikat_entities": ("ikat", Inputs(history="own", kind="entities")),
    "ndcg_at_10_gain_acm_cr": ("acm_cr", Inputs(history="own", kind="documents")),
    "ndcg_at_10_gain_acm_cr_entities": ("acm_cr", Inputs(history="own", kind="entities")),
    "acm_cr_another": ("acm_cr", Inputs(history="another", kind="documents")),
}
_DIFFERENCES: Mapping[str, tuple[str, Inputs, Inputs]] = {
    "ikat_own_minus_other": (
        "ikat",
        Inputs(history="own", kind="statements"),
        Inputs(history="another", kind="statements"),
    ),
    "acm_cr_own_minus_other": (
        "acm_cr",
        Inputs(history="own", kind="documents"),
        Inputs(history="another", kind="documents"),
    ),
    "ikat_history_on_session": ("ikat", Inputs("own", "own", "statements"), _SESSION),
}


def _harm(found: Sequence[Measured]) -> dict[str, float]:
    """Of what is served and must not harm: rewritten queries, re-ranked results with all of one's own, strangers."""
    steps = [each for each in found if (each.inputs.session or each.inputs.history) and each.inputs.is_served]
    judged = [
        each
        for each in steps
        if (each.set in {"ikat rewritten", "cosobe"} and each.inputs.is_own) or each.set not in _OWN_SETS
    ]
    if not judged:
        return {}
    return {
        "harm_worst_set": min(float(each.gains.mean()) for each in judged),
        "harmed_query_share": max(each.harmed for each in judged),
    }


_OWN_SETS = {"ikat", "ikat rewritten", "acm_cr", "cosobe"}
