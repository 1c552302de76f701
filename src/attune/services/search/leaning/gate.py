"""Whether a context helps this query, foreseen from the query and from what the context would change.

    p = 1 / (1 + exp(-(bias + sum over features of weight * (value - mean) / scale)))
    g = MOST * clip((p - threshold) / RISE, 0, 1)

A gate is a logistic regression in a JSON file that anybody can read. It is taught by judged queries: whether their
nDCG@10 was better with the context or without, each counting by the difference (`attune eval personalization`). Below
the threshold g is 0: the context says nothing, which is right for most queries that say what they want.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attune.services.search.leaning.mixing import TOP, Beside, Scores

FEATURES = ("terms", "refers", "context_cosine", "gain", "cost", "overlap", "support", "best_cosine", "words")
MOST = 0.85
RISE = 0.15

_WORD = re.compile(r"\w+")
_WORDS = (
    "it its they them their theirs this that these those he him his she her hers there here one ones then such same "
    "other others another else more both either neither former latter first second"
)
_REFERRING = frozenset(_WORDS.split())
"""English words that point to something said before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The query, as a gate sees it."""

    text: str
    terms: int
    """Distinct words that can be searched for."""
    best_words: float
    """The best BM25 score of a document."""


def features(asked: Asked, base: Scores, ranking: Beside, context_cosine: float) -> NDArray[np.float64]:
    """[len(FEATURES)], in their order.

    `gain` is how much nearer to the context the ten best are than those without it, `cost` how much farther from the
    query; `overlap` the share of the ten that are the same; `support` how near the nearest of them is to the context, 1
    being a document that the user has read. `context_cosine` is the query's cosine to the context.
    """
    plain, other = np.argsort(-base, kind="stable")[:TOP], np.argsort(ranking.ranks, kind="stable")[:TOP]
    words = _WORD.findall(asked.text.casefold())
    values = {
        "terms": np.log1p(asked.terms),
        "refers": sum(each in _REFERRING for each in words) / max(1, len(words)),
        "context_cosine": context_cosine,
        "gain": ranking.support[other].mean() - ranking.support[plain].mean(),
        "cost": ranking.cosines[plain].mean() - ranking.cosines[other].mean(),
        "overlap": len(set(plain.tolist()) & set(other.tolist())) / max(1, len(plain)),
        "support": ranking.support[other].max(),
        "best_cosine": ranking.cosines.max(),
        "words": asked.best_words / max(1, asked.terms),
    }
    return np.array([values[name] for name in FEATURES], np.float64)


@dataclass(frozen=True)
class Gate:
    """Arrays [len(FEATURES)], in the order of FEATURES."""

    bias: float
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    threshold: float = 0.5

    @classmethod
    def closed(cls) -> Self:
        """One that lets nothing through, as nobody has taught it."""
        zeros = np.zeros(len(FEATURES))
        return cls(0.0, zeros, zeros, np.ones(len(FEATURES)), threshold=1.0)

    def stricter(self, by: float) -> "Gate":
        """One whose threshold is higher by so much."""
        return replace(self, threshold=self.threshold + by)

    def probability(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of features [..., len(FEATURES)]: how likely the context helps."""
        z = self.bias + ((values - self.means) / self.scales) @ self.weights
        return np.asarray(1 / (1 + np.exp(-z)), np.float64)

    def weight(self, values: NDArray[np.float64]) -> float:
        """The weight of the context, for one query's features."""
        return MOST * min(max((float(self.probability(values)) - self.threshold) / RISE, 0.0), 1.0)
