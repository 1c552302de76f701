"""What another ranker would have been worth, by the log of what was shown and accepted.

A list was shown in an order that was drawn (exploration.py), and each suggestion's token says how likely it was to come
to its place. The other ranker puts the same suggestions in its own order. By the item-position model (Li, Abbasi-
Yadkori, Kveton, Muthukrishnan, Vinay and Wen, KDD 2018) acceptance depends on a suggestion and its place alone, so that
a suggestion counts where both rankers agree on its place, by w = 1 / propensity:

    IPS      mean over lists of  sum over agreeing suggestions of  w * accepted
    clipped  the same with min(w, 10): biased towards less, of smaller variance
    SNIPS    sum over places of  sum(w * accepted) / sum(w)      (Swaminathan and Joachims, NIPS 2015)
    replay   mean acceptances of the lists whose whole order is the same

Each estimates accepted suggestions a list. Without exploration only what both agree on is known.
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


@dataclass(frozen=True)
class Estimates:
    """Of lists one by one, so that they can be drawn anew: `weights` and `rewards` [lists, places]."""

    rows: "_Rows"

    def ips(self, drawn: NDArray[np.intp]) -> float:
        """Unbiased where every place was possible."""
        return float((self.rows.weights * self.rows.rewards)[drawn].sum() / len(drawn))

    def clipped(self, drawn: NDArray[np.intp]) -> float:
        """With weights of 10 at most."""
        return float((np.minimum(self.rows.weights, CLIP) * self.rows.rewards)[drawn].sum() / len(drawn))

    def snips(self, drawn: NDArray[np.intp]) -> float:
        """Self-normalised, place by place; a place that only some lists have counts by their share."""
        weights, there = self.rows.weights[drawn], self.rows.there[drawn]
        gained, whole = (weights * self.rows.rewards[drawn]).sum(0), weights.sum(0)
        rates = np.divide(gained, whole, out=np.zeros_like(gained), where=whole > 0)
        return float((rates * there.mean(0)).sum())

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


def _agreeing(shown: Shown, model: RankerModel) -> NDArray[np.bool_]:
    """[n]: where the ranker puts the same suggestion. Of equal scores, those shown first stay first."""
    scores = model.scores(np.stack([token.values for token in shown.tokens]))
    order: Places = np.argsort(-scores, kind="stable")
    found: NDArray[np.bool_] = order == np.arange(len(scores))
    return found
