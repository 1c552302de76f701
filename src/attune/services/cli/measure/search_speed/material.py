"""Made-up documents in any number: their vectors lie among real ones, their texts are pieces of real ones.

To embed a million texts takes hours, and tells nothing of the index. A made-up vector is one real vector, bent half as
much towards another, and half as much again in a direction of chance: its neighbours are those of a real vector, and
many others that were made of it. Each is drawn by its number and the seed, so that none needs to be kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.search_speed.people import entity_id
from attune.services.search.index.fields import FieldValue
from attune.services.search.index.port import Document

Vectors = NDArray[np.float32]
YEARS = 10
"""So many values has the field that searches are filtered by, each equally often."""
CHUNK = 2048
_WORDS = 60


@dataclass(frozen=True)
class Material:
    """Real texts, and their unit vectors [n, d]."""

    texts: Sequence[str]
    vectors: Vectors
    seed: int = 0

    def chunks(self, start: int, end: int) -> Iterator[tuple[list[Document], Vectors]]:
        """The documents from one number to another, with their vectors; `start` begins a chunk."""
        for first in range(start, end, CHUNK):
            count = min(CHUNK, end - first)
            numbers = range(first, first + count)
            one, other, vectors = self._drawn(first, count)
            yield [self._document(*each) for each in zip(numbers, one, other, strict=True)], vectors

    def queries(self, count: int) -> tuple[list[str], Vectors]:
        """Different texts of a few words, and vectors that are near those of documents."""
        one, _, vectors = self._drawn(-1, count)
        random = np.random.default_rng([self.seed, 2])
        words = [self.texts[each].split() for each in one]
        drawn = (random.choice(each, size=min(5, len(each)), replace=False) for each in words)
        return [f"{' '.join(each)} {number}" for number, each in enumerate(drawn)], vectors

    def _drawn(self, first: int, count: int) -> tuple[list[int], list[int], Vectors]:
        random = np.random.default_rng([self.seed, 1 + first, count])
        one, other = random.integers(len(self.texts), size=(2, count))
        chance = random.standard_normal((count, self.vectors.shape[1])).astype(np.float32)
        bent = self.vectors[one] + 0.5 * self.vectors[other] + 0.5 * unit(chance)
        return one.tolist(), other.tolist(), unit(bent)

    def _document(self, number: int, one: int, other: int) -> Document:
        halves = (_piece(self.texts[one], number), _piece(self.texts[other], number))
        fields: dict[str, FieldValue] = {"year": float(year_of(number))}
        return Document(str(number), "", " ".join(halves), "made-up", (entity_id(one), entity_id(other)), fields=fields)


def year_of(number: int) -> int:
    """The value of the field that searches are filtered by."""
    return number % YEARS


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1."""
    found: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def _piece(text: str, number: int) -> str:
    words = text.split()
    start = number % max(1, len(words) - _WORDS // 2)
    return " ".join(words[start : start + _WORDS // 2])
