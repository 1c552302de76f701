"""Which of two rankings users preferred, by the log, and how sure that is.

Of each list a number says how far the second ranking was better. Interleaved: 1 where more of the second one's hits
were clicked, -1 where more of the first one's, else 0. By users: the reciprocal of the first clicked position, 0
without a click, and the difference of the two groups' means counts.

Lists of one user are alike, and a few users search all day. So a user is one observation, the mean of the user's lists;
the interval and the p-value are Student's over users, and of two groups Welch's. What would be needed otherwise: so
many sessions that a difference as large as this one is found in four of five experiments at a level of 5%,
(1.96 + 0.84)^2 * variance of the mean * sessions / difference^2. No p-value is below that of the coin which all of so
few users would have to throw alike, 2^(1 - U).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from attune.services.search.ranking.shown import ShownList
from attune.services.search.ranking.token import Method

LEVEL = 0.05
FEWEST_USERS = 5
"""Of fewer nothing can be said for sure, and nothing is."""
_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of comparing two rankings, which are named by their versions."""

    first: str
    second: str
    method: Method
    users: int
    sessions: int
    lists: int
    effect: float
    """Above 0: the second one is better."""
    low: float
    high: float
    p_value: float
    first_wins: int
    """Interleaved: lists. By users: lists of the first with a click."""
    second_wins: int
    sessions_needed: int | None
    """To find a difference as large as this one; None where there is none."""

    @property
    def winner(self) -> str:
        """The version of the better ranking; empty where it may be chance."""
        if self.users < FEWEST_USERS or not self.p_value < LEVEL:
            return ""
        return self.second if self.effect > 0 else self.first


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean over users."""

    value: float
    variance: float
    """Of the mean."""
    users: int

    @classmethod
    def of(cls, by_user: Mapping[object, Sequence[float]]) -> "_Mean":
        means: NDArray[np.float64] = np.array([float(np.mean(each)) for each in by_user.values()], np.float64)
        if len(means) < 2:
            return cls(float(means.sum()), math.inf, len(means))
        return cls(float(means.mean()), float(means.var(ddof=1)) / len(means), len(means))


def outcomes(lists: Iterable[ShownList]) -> list[Outcome]:
    """One for each pair of rankings that was compared, and each way to do it; the one with the most lists first."""
    grouped: defaultdict[tuple[str, str, Method], list[ShownList]] = defaultdict(list)
    for each in lists:
        compared = next((token for token in each.tokens if token.method is not Method.NOTHING), None)
        if compared is not None:
            grouped[compared.first, compared.second, compared.method].append(each)
    made = [_outcome(*pair, found) for pair, found in grouped.items()]
    return sorted(made, key=lambda each: (-each.lists, each.first, each.second, each.method))


def _outcome(first: str, second: str, method: Method, lists: Sequence[ShownList]) -> Outcome:
    interleaved = method is Method.INTERLEAVING
    effect, variance, freedom, wins = (_interleaved if interleaved else _by_users)(lists)
    half = float(stdtrit(freedom, 1 - LEVEL / 2)) * math.sqrt(variance) if freedom > 0 else math.inf
    sessions = len({(each.tenant, each.user, each.session) for each in lists})
    return Outcome(
        first,
        second,
        method,
        len({(each.tenant, each.user) for each in lists}),
        sessions,
        len(lists),
        effect,
        effect - half,
        effect + half,
        max(_p_value(effect, variance, freedom), _least_p_value(lists)),
        *wins,
        _needed(effect, variance, sessions),
    )


def _interleaved(lists: Sequence[ShownList]) -> tuple[float, float, float, tuple[int, int]]:
    by_user: defaultdict[object, list[float]] = defaultdict(list)
    for each in lists:
        teams = [token.team for token, chosen in zip(each.tokens, each.chosen, strict=True) if chosen]
        by_user[each.tenant, each.user].append(float(np.sign(teams.count(2) - teams.count(1))))
    mean = _Mean.of(by_user)
    scores = [score for each in by_user.values() for score in each]
    return mean.value, mean.variance, mean.users - 1, (scores.count(-1.0), scores.count(1.0))


def _by_users(lists: Sequence[ShownList]) -> tuple[float, float, float, tuple[int, int]]:
    by_user: dict[int, defaultdict[object, list[float]]] = {1: defaultdict(list), 2: defaultdict(list)}
    for each in lists:
        clicked = next((token for token, chosen in zip(each.tokens, each.chosen, strict=True) if chosen), None)
        by_user[_arm(each)][each.tenant, each.user].append(1 / clicked.position if clicked else 0.0)
    first, second = (_Mean.of(by_user[arm]) for arm in (1, 2))
    variance = first.variance + second.variance
    wins = [sum(score > 0 for each in by_user[arm].values() for score in each) for arm in (1, 2)]
    return second.value - first.value, variance, _welch(first, second), (wins[0], wins[1])


def _arm(shown: ShownList) -> int:
    return 2 if shown.tokens[0].team == 2 else 1


def _welch(first: _Mean, second: _Mean) -> float:
    """Degrees of freedom; 0 where one of the groups tells nothing of its spread."""
    if min(first.users, second.users) < 2:
        return 0.0
    parts = [(each.variance, each.users - 1) for each in (first, second)]
    below = sum(variance**2 / freedom for variance, freedom in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below > 0 else float(parts[0][1] + parts[1][1])


def _p_value(effect: float, variance: float, freedom: float) -> float:
    if freedom <= 0 or effect == 0:
        return 1.0
    if variance == 0:
        return 0.0
    return float(2 * stdtr(freedom, -abs(effect) / math.sqrt(variance)))


def _least_p_value(lists: Sequence[ShownList]) -> float:
    """That of so many users who all say the same, if each had thrown a coin: of few, Student's knows no such bound."""
    return float(2.0 ** (1 - len({(each.tenant, each.user) for each in lists})))


def _needed(effect: float, variance: float, sessions: int) -> int | None:
    if effect == 0 or not math.isfinite(variance):
        return None
    deviations = float(ndtri(1 - LEVEL / 2) + ndtri(_POWER))
    return max(1, math.ceil(deviations**2 * variance * sessions / effect**2))
