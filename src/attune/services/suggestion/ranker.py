"""The ranker that needs no language model: a declared linear formula over four features, and a cut for variety.

The weights are set by hand until a learned ranker replaces them; each feature lies in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.candidates import Candidate

_SIMILARITY = 0.55
_PERSONAL = 0.3
_DOCUMENT = 0.15
_TOO_ALIKE = 0.92
"""Two suggestions whose vectors are closer than this say the same."""

# What a user wants next is more often near what they know than exactly what they know already.
_MODE_WEIGHT = {Mode.FAMILIAR: 1.0, Mode.LAPSED: 0.8, Mode.NEIGHBOUR: 0.6, Mode.UNFAMILIAR: 0.4}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and its score."""

    candidate: Candidate
    score: float


def rank(
    found: Sequence[Candidate], vectors: NDArray[np.float32], context: NDArray[np.float32] | None, limit: int
) -> list[Ranked]:
    """The best `limit` candidates, no two of them alike (greedy, as in maximal marginal relevance).

    Args:
        found: n candidates.
        vectors: their unit vectors [n, d].
        context: unit vector [d] of the query in its session; None where there is no context at all.
        limit: how many to keep.
    """
    if not found:
        return []
    similarity = np.clip(vectors @ context, 0, 1) if context is not None else np.zeros(len(found), np.float32)
    highest = _highest_by_mode(found)
    scores = [_score(each, float(near), highest) for each, near in zip(found, similarity, strict=True)]
    order = sorted(range(len(found)), key=lambda index: (-scores[index], found[index].text))
    return [Ranked(found[index], scores[index]) for index in _unlike(order, vectors, limit)]


def _score(candidate: Candidate, similarity: float, highest: dict[Mode, float]) -> float:
    return (
        _SIMILARITY * similarity
        + _PERSONAL * _personal(candidate, highest)
        + _DOCUMENT * (1 / candidate.document_rank if candidate.document_rank else 0)
    )


def _personal(candidate: Candidate, highest: dict[Mode, float]) -> float:
    entity = candidate.entity
    if entity is None or highest[entity.mode] <= 0:
        return 0.0
    return _MODE_WEIGHT[entity.mode] * max(0.0, entity.score) / highest[entity.mode]


def _highest_by_mode(found: Sequence[Candidate]) -> dict[Mode, float]:
    highest: dict[Mode, float] = {}
    for candidate in found:
        if candidate.entity is not None:
            mode = candidate.entity.mode
            highest[mode] = max(highest.get(mode, 0.0), candidate.entity.score)
    return highest


def _unlike(order: Sequence[int], vectors: NDArray[np.float32], limit: int) -> list[int]:
    kept: list[int] = []
    for index in order:
        if len(kept) == limit:
            break
        if all(float(vectors[index] @ vectors[other]) < _TOO_ALIKE for other in kept):
            kept.append(index)
    return kept
