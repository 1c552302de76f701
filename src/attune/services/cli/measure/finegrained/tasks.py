"""What is asked: of several corpora in one index, and people's queries of each corpus by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.finegrained import SPANS, PassageQuery, keyword_queries, span_queries
from attune.embeddings.training.collections import Collection

KEYWORDS, NATURAL = "keywords", "natural"
PARTS = tuple(f"span_{words}" for words in SPANS)
MADE = (KEYWORDS, *PARTS)


@dataclass(frozen=True)
class Corpora:
    """Corpora whose passages are in one index, one corpus after the other."""

    collections: Sequence[Collection]

    @property
    def passages(self) -> list[str]:
        """All of them."""
        return [text for collection in self.collections for text in collection.passages]

    @property
    def ranges(self) -> list[range]:
        """Where each corpus' passages are among all."""
        found, start = [], 0
        for collection in self.collections:
            found.append(range(start, start + len(collection.passages)))
            start = found[-1].stop
        return found


def made_queries(corpora: Corpora, count: int, seed: int) -> dict[str, list[list[PassageQuery]]]:
    """For each task and corpus at most `count` queries, each with its passage's place among all."""
    found: dict[str, list[list[PassageQuery]]] = {task: [] for task in MADE}
    for collection, places in zip(corpora.collections, corpora.ranges, strict=True):
        texts = collection.passages
        made = [keyword_queries(texts, count, seed)]
        made += [span_queries(texts, words, count, seed) for words in SPANS]
        for task, queries in zip(MADE, made, strict=True):
            once = {each.passage: each for each in reversed(queries)}.values()  # twice the same passage tells no more
            found[task].append([replace(each, passage=places.start + each.passage) for each in once])
    return found


def unread(parts: Sequence[PassageQuery], words: int, read: Sequence[int]) -> NDArray[np.float64]:
    """Of each part of so many words the share that is not among its passage's first words, as many as are `read`."""
    ends = np.array([each.start + words for each in parts], np.float64)
    found: NDArray[np.float64] = ((ends - [read[each.passage] for each in parts]) / words).clip(0, 1)
    return found
