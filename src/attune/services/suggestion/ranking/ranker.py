"""Candidates in order: by the learned scores, no two alike; and shuffled a little where that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.ranking.candidates import Candidate
from attune.services.suggestion.ranking.exploration import explored
from attune.services.suggestion.ranking.features import Seen, features
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.texts import Block, Text
from attune.services.suggestion.ranking.token import Token

_TOO_ALIKE = 0.92
"""Two suggestions whose vectors, or whose trigrams, are closer than this say the same."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate, its score, and what is to be learned from."""

    candidate: Candidate
    score: float
    token: str


def rank(
    found: Sequence[Candidate],
    texts: Sequence[Text],
    seen: Seen,
    model: RankerModel,
    limit: int,
    *,
    temperature: float = 0.0,
    random: np.random.Generator | None = None,
) -> list[Ranked]:
    """The best `limit` of n candidates (greedy, as in maximal marginal relevance).

    Args:
        found: n candidates.
        texts: the same candidates' texts.
        seen: the situation.
        model: what weighs the features.
        limit: how many to keep.
        temperature: above 0, the order of those kept is drawn as in exploration.py.
        random: what draws.
    """
    if not found:
        return []
    block = Block(texts)
    values = features(seen, block, [each.facts for each in found])
    scores = model.scores(values)
    order = sorted(range(len(found)), key=lambda place: (-scores[place], found[place].text))
    kept = _unlike(order, block, [each.facts.entity_ids for each in found], limit)
    drawn, propensities = explored(scores[kept], temperature, random)
    return [
        Ranked(
            found[kept[place]],
            float(scores[kept[place]]),
            Token(found[kept[place]].source, position, propensity, model.version, values[kept[place]]).encoded(),
        )
        for position, (place, propensity) in enumerate(zip(drawn, propensities, strict=True), start=1)
    ]


def _unlike(order: Sequence[int], block: Block, entities: Sequence[tuple[str, ...]], limit: int) -> list[int]:
    """Places, the best first. Two that bring in different entities say different things, however alike they read."""
    kept: list[int] = []
    for place in order:
        if len(kept) == limit:
            break
        rivals = [each for each in kept if not _differ(entities[each], entities[place])]
        if not rivals or float(_alike(block, place)[rivals].max()) < _TOO_ALIKE:
            kept.append(place)
    return kept


def _differ(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    return bool(first) and bool(second) and set(first) != set(second)


def _alike(block: Block, place: int) -> NDArray[np.float32]:
    """[n]: how alike each is to one of them."""
    text = block.texts[place]
    near = block.trigrams_like(text)
    return near if text.vector is None else np.maximum(near, block.cosines(text.vector))
