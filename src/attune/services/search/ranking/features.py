"""What a ranker may weigh: named numbers of the candidates of one search.

A new part of the ranking becomes a feature by an entry in FEATURES: a name, which stays its for ever, and a function of
all candidates. Tokens in the log hold features by name, so that those of before still teach; a ranker's file must have
been made for exactly these.

Features that are personal are 0 for who is not known, or where the ranking abstains: they are what the personal ranking
adds, with its weight in them. So the ranking without personalization is that of the others alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from attune.services.search.fusion import reciprocal_rank
from attune.services.search.personal import Ranked
from attune.services.search.quotes import RANKING as QUOTE

Values: TypeAlias = NDArray[np.float32]
"""[candidates, len(FEATURES)]; NaN where unknown."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A number of each candidate."""

    name: str
    of: Callable[[Sequence[Ranked]], list[float]]
    is_personal: bool = False
    never_worse: bool = False
    """More of it never speaks against a document: training keeps its weight at 0 or more."""

    @property
    def id(self) -> int:
        """16 bits of the name's digest, by which tokens know it."""
        return int.from_bytes(blake2b(self.name.encode(), digest_size=2).digest(), "little")


def _plain(ranked: Sequence[Ranked]) -> list[float]:
    return [each.plain for each in ranked]


def _dense(ranked: Sequence[Ranked]) -> list[float]:
    """The cosine; of those that the dense ranking does not hold, it is not known."""
    return [each.fused.scores.get("dense", np.nan) for each in ranked]


def _bm25(ranked: Sequence[Ranked]) -> list[float]:
    """The share of the best BM25 score; 0 without any of the query's words."""
    scores = [each.fused.scores.get("bm25", 0.0) for each in ranked]
    best = max(scores, default=0.0)
    return [score / best if best > 0 else 0.0 for score in scores]


def _rank_in(name: str) -> Callable[[Sequence[Ranked]], list[float]]:
    """1 for the first of that ranking, falling as in the fusion; 0 where it does not hold the document."""

    def of(ranked: Sequence[Ranked]) -> list[float]:
        first = reciprocal_rank(1)
        ranks = [each.fused.ranks.get(name) for each in ranked]
        return [0.0 if rank is None else reciprocal_rank(rank) / first for rank in ranks]

    return of


def _quote(ranked: Sequence[Ranked]) -> list[float]:
    return [float(QUOTE in each.fused.ranks) for each in ranked]


def _personal(ranked: Sequence[Ranked]) -> list[float]:
    return [each.personal for each in ranked]


def _personal_via(ranked: Sequence[Ranked]) -> list[float]:
    """The share of it that comes from entities that the user has only met through others."""
    return [each.personal * _share_via(each) for each in ranked]


def _share_via(ranked: Ranked) -> float:
    total = sum(each.contribution for each in ranked.evidence)
    via = sum(each.contribution for each in ranked.evidence if each.acquaintance.via_label)
    return via / total if total > 0 else 0.0


def _session(ranked: Sequence[Ranked]) -> list[float]:
    """What the last turn adds, or takes."""
    return [each.session.contribution if each.session else 0.0 for each in ranked]


def _history(ranked: Sequence[Ranked]) -> list[float]:
    """What the documents that the user has read add, or take, and the statements."""
    return [each.history.contribution if each.history else 0.0 for each in ranked]


FEATURES = (
    Feature("plain", _plain, never_worse=True),
    Feature("dense", _dense, never_worse=True),
    Feature("dense_rank", _rank_in("dense"), never_worse=True),
    Feature("bm25", _bm25, never_worse=True),
    Feature("bm25_rank", _rank_in("bm25"), never_worse=True),
    Feature("quote", _quote, never_worse=True),
    Feature("personal", _personal, is_personal=True),
    Feature("personal_via", _personal_via, is_personal=True),
    Feature("session", _session, is_personal=True),
    Feature("history", _history, is_personal=True),
)
NAMES = tuple(each.name for each in FEATURES)
IS_PERSONAL = np.array([each.is_personal for each in FEATURES])


def features_of(ranked: Sequence[Ranked]) -> Values:
    """Those of all candidates of a search."""
    return np.array([each.of(ranked) for each in FEATURES], np.float32).T.reshape(len(ranked), len(FEATURES))
