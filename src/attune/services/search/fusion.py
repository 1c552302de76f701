"""Rankings that score on different scales, made one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attune.services.search.index.port import Candidate

K = 60
"""How much the first ranks are damped: the paper's value."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a later stage adds to a document's plain score, of which value, and the place that it gives it, if any."""

    name: str
    contribution: float
    value: float
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Fused:
    """A document of the fused ranking: its rank (1 is the best) and its score in each ranking that found it."""

    id: str
    score: float
    ranks: Mapping[str, int]
    scores: Mapping[str, float]
    added: tuple[Part, ...] = ()

    def plain(self, best: float) -> float:
        """The score for anybody: that of the fusion, where the best one is 1, and what was added to it."""
        return self.score / best + sum([part.contribution for part in self.added])


def best_score(fused: Sequence[Fused]) -> float:
    """The best score of the fusion, whatever was added to which; 1 where there is none."""
    return max((each.score for each in fused), default=1.0)


def dense_share(found: Fused, best: float) -> float:
    """What the dense ranking has given to the document's plain score, where the best score of the fusion is `best`."""
    rank = found.ranks.get("dense")
    return 0.0 if rank is None else reciprocal_rank(rank) / best


def in_plain_order(fused: Sequence[Fused]) -> list[Fused]:
    """By falling plain score, equal ones as they were."""
    best = best_score(fused)
    return sorted(fused, key=lambda each: -each.plain(best))


def reciprocal_rank(rank: int, k: int = K) -> float:
    """What a place (1 is the best) in one ranking adds to the fused score: 1 / (k + rank)."""
    return 1.0 / (k + rank)


def reciprocal_rank_fusion(rankings: Mapping[str, Sequence[Candidate]], k: int = K) -> list[Fused]:
    """Fuse rankings by the sum of 1 / (k + rank) (Cormack, Clarke and Büttcher, SIGIR 2009, section 2).

    `rankings` maps the name of each ranking to its candidates, best first; their scores are carried along, not used.
    k damps how much the first ranks stand out. A document that a ranking lists twice counts where it comes first. The
    result is ordered by falling score, equal scores by id.

    Raises:
        ValueError: k is negative.
    """
    if k < 0:
        raise ValueError(f"k is {k}: give 0 or more (the paper uses {K})")
    found: dict[str, tuple[dict[str, int], dict[str, float]]] = {}
    for name, candidates in rankings.items():
        for rank, candidate in enumerate(candidates, start=1):
            ranks, scores = found.setdefault(candidate.id, ({}, {}))
            if name not in ranks:
                ranks[name], scores[name] = rank, candidate.score
    # Summed from the best rank down, so that the order of the mapping cannot change a rounding.
    fused = [
        Fused(id_, sum([reciprocal_rank(rank, k) for rank in sorted(ranks.values())]), ranks, scores)
        for id_, (ranks, scores) in found.items()
    ]
    return sorted(fused, key=lambda each: (-each.score, each.id))
