"""Queries to learn from: keywords and parts of the passages, and people's, in lessons of one collection each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from attune.embeddings.evaluation.finegrained import keyword_queries, span_queries
from attune.embeddings.training.collections import Source
from attune.embeddings.training.contrast import Lesson, Places
from attune.embeddings.training.pairs import TrainingDataError

_SPANS = (16, 32)
_NATURAL_SHARE = 3.0


@dataclass(frozen=True)
class Asked:
    """Some queries of a source: their texts, and the place of each one's passage."""

    source: Source
    texts: Sequence[str]
    passage: Places
    natural: bool


def questions(sources: Sequence[Source], count: int, seed: int) -> list[Asked]:
    """Of each source `count` made queries, three keywords to two spans, and people's queries by themselves.

    Raises `TrainingDataError` where there is none.
    """
    found = []
    for source in sources:
        passages = [] if source.collection.people_only else source.collection.passages
        made = keyword_queries(passages, 3 * count // 5, seed)
        for words in _SPANS:
            made += span_queries(passages, words, count // (5 * len(_SPANS)) * 2, seed)
        found.append(Asked(source, [each.text for each in made], np.array([each.passage for each in made]), False))
        people = [(text, max(grades, key=lambda place: grades[place])) for text, grades in source.collection.taught]
        found.append(Asked(source, [text for text, _ in people], np.array([place for _, place in people]), True))
    asked = [each for each in found if each.texts]
    if not asked:
        raise TrainingDataError("the passages have too few words to make queries of: give longer ones, or --pairs")
    return asked


def lesson_of(
    asked: Asked,
    query_vectors: Callable[[Places], Tensor],
    passage_vectors: Callable[[Places], Tensor] | None = None,
    kept: float = 1.0,
    natural_share: float = _NATURAL_SHARE,
) -> Lesson:
    """The lesson; without `passage_vectors`, passages are as they are. Larger ones come more often, by roots.

    `kept` is of people's queries, and `natural_share` is how often they come, beside made ones.
    """
    source = asked.source
    plain = torch.from_numpy(source.views.queries(asked.texts)), torch.from_numpy(source.vectors)
    return Lesson(
        passage=asked.passage,
        passages=len(source.vectors),
        query_vectors=query_vectors,
        passage_vectors=passage_vectors or (lambda places: plain[1][torch.from_numpy(places)]),
        plain=plain,
        kept=kept if asked.natural else 0.0,
        share=float(np.sqrt(len(asked.texts))) * (natural_share if asked.natural else 1.0),
    )
