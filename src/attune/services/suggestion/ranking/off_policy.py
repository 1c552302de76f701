"""What another ranker would have been worth, by the log of what was shown and accepted.

A list was shown in an order that was drawn (exploration.py), and each suggestion's token says how likely it was to come
to its place. The other ranker puts the same suggestions in its own order. By the item-position model (Li, Abbasi-
Yadkori, Kveton, Muthukrishnan, Vinay and Wen, KDD 2018) acceptance depends on a suggestion and its place alone, so that
a suggestion counts where both rankers agree on its place, by w = 1 / propensity:

    IPS      mean over lists of  sum over agreeing suggestions of  w * accepted
    clipped  the same with min(w, 10): biased towards less, of smaller variance
    SNIPS    sum over places of  sum(w * accepted) / sum(w)      (Swaminathan and Joachims, NIPS 2015)
    replay   mean acceptances of the lists whose whole order is the same

Each estimates accepted suggestions a list. What is not known is NaN: of the first three where the two rankers agree on
some place in no list, of replay where no list has the same order. How much an estimate stands on is told by Kish's
effective sample size, (sum w)^2 / sum(w^2) (Kish, "Survey Sampling", 1965), of the place that has the least.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.token import Token

CLIP = 10.0
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Shown:
    """One list as it was shown to a user, its suggestions in the order of their positions."""

    user: str
    tokens: Sequence[Token]
    accepted: Sequence[bool]
    tenant: str = ""


@dataclass(frozen=True)
class Estimates:
    """Of lists one by one, so that they can be drawn anew: `weights` and `rewards` [lists, places]."""

    rows: "_Rows"

    def ips(self, drawn: NDArray[np.intp]) -> float:
        """Unbiased where every place was possible. NaN where a place is unknown, as of the next two."""
        return self._inverse(self.rows.weights, drawn)

    def clipped(self, drawn: NDArray[np.intp]) -> float:
        """With weights of 10 at most."""
        return self._inverse(np.minimum(self.rows.weights, CLIP), drawn)

    def snips(self, drawn: NDArray[np.intp]) -> float:
        """Self-normalised, place by place; a place that only some lists have counts by their share."""
        weights, shares = self.rows.weights[drawn], self.rows.there[drawn].mean(0)
        gained, whole = (weights * self.rows.rewards[drawn]).sum(0), weights.sum(0)
        rates = np.divide(gained, whole, out=np.full_like(gained, np.nan), where=whole > 0)
        return float((rates * shares)[shares > 0].sum())

    def _inverse(self, weights: NDArray[np.float64], drawn: NDArray[np.intp]) -> float:
        is_known = self.rows.weights[drawn].any(0) | ~self.rows.there[drawn].any(0)
        return float((weights * self.rows.rewards)[drawn].sum() / len(drawn)) if is_known.all() else float("nan")

    def replay(self, drawn: NDArray[np.intp]) -> float:
        """NaN where no list has the same order."""
        same = self.rows.same[drawn]
        return float(self.rows.rewards[drawn][same].sum() / same.sum()) if same.any() else float("nan")

    def logged(self, drawn: NDArray[np.intp]) -> float:
        """What the lists got as they were shown."""
        return float(self.rows.rewards[drawn].sum() / len(drawn))

    @property
    def agreeing(self) -> float:
        """The share of lists in the same order."""
        return float(self.rows.same.mean())

    @property
    def known_places(self) -> float:
        """The share of all places of all lists that are of a number at which the rankers agree in some list."""
        known = self.rows.weights.any(0)
        return float((self.rows.there & known).sum() / self.rows.there.sum())

    @property
    def effective_lists(self) -> float:
        """So many lists of equal weight would tell as much of the place that is known the least; 0: nothing is."""
        weights = self.rows.weights
        squares = (weights**2).sum(0)
        return float(np.divide(weights.sum(0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0).min())


@dataclass(frozen=True)
class _Rows:
    weights: NDArray[np.float64]
    """1 / propensity where both agree on the place, else 0."""
    rewards: NDArray[np.float64]
    there: NDArray[np.bool_]
    same: NDArray[np.bool_]


def estimates(lists: Sequence[Shown], model: RankerModel) -> Estimates:
    """What the lists tell of a ranker."""
    longest = max(len(each.tokens) for each in lists)
    weights, rewards = np.zeros((len(lists), longest)), np.zeros((len(lists), longest))
    there, same = np.zeros((len(lists), longest), bool), np.zeros(len(lists), bool)
    for row, each in enumerate(lists):
        agreeing = _agreeing(each, model)
        count = len(each.tokens)
        weights[row, :count] = np.where(agreeing, [1 / token.propensity for token in each.tokens], 0)
        rewards[row, :count] = each.accepted
        there[row, :count] = True
        same[row] = agreeing.all()
    return Estimates(_Rows(weights, rewards, there, same))


def is_explored(lists: Sequence[Shown]) -> bool:
    """Whether any place was drawn: otherwise the lists tell of other orders nothing that is not luck."""
    return any(token.propensity < 1 for each in lists for token in each.tokens)


def _agreeing(shown: Shown, model: RankerModel) -> NDArray[np.bool_]:
    """[n]: where the ranker puts the same suggestion. Of equal scores, those shown first stay first."""
    scores = model.scores(np.stack([token.values for token in shown.tokens]))
    order: Places = np.argsort(-scores, kind="stable")
    found: NDArray[np.bool_] = order == np.arange(len(scores))
    return found
