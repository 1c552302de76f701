"""Texts as the ranker sees them: a unit vector, trigrams of characters and words.

Trigrams tell that "yahoo caht" is "yahoo chat", which vectors of whole texts may not; words that nobody spells wrongly
tell what was added or dropped. Both are hashed, as nothing has to be read back from them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_WORD = re.compile(r"\w+")
_BUCKETS = 1 << 16
_MOST_CHARACTERS = 512
"""Nothing that is worth suggesting is longer, and what is compared to it need not be."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text. `vector` [d] has length one; None where it has not been embedded, or has nothing to embed."""

    text: str
    vector: NDArray[np.float32] | None
    trigrams: NDArray[np.int32]
    words: NDArray[np.int32]

    @classmethod
    def of(cls, text: str, vector: NDArray[np.float32] | None = None) -> "Text":
        """Read a text, its first 512 characters at most. A vector of zeros counts as none."""
        words = _WORD.findall(text[:_MOST_CHARACTERS].casefold())
        spaced = f" {' '.join(words)} "
        trigrams = {spaced[start : start + 3] for start in range(len(spaced) - 2)} if words else set()
        known = vector if vector is not None and bool(np.any(vector)) else None
        return cls(text, known, _buckets(trigrams), _buckets(set(words)))


def _buckets(parts: set[str]) -> NDArray[np.int32]:
    return np.unique(np.fromiter((crc32(each.encode()) % _BUCKETS for each in parts), np.int32, len(parts)))


class Block:
    """Texts side by side, compared to others all at once."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = texts
        self.words_of_each = np.array([len(each.words) for each in texts], np.float32)
        self.has_vector = np.array([each.vector is not None for each in texts], bool)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """[n, d]: zeros where a text has no vector; [n, 0] where none has."""
        dimension = next((len(each.vector) for each in self.texts if each.vector is not None), 0)
        nothing = np.zeros(dimension, np.float32)
        rows = [nothing if each.vector is None else each.vector for each in self.texts]
        return np.stack(rows) if rows else np.zeros((0, dimension), np.float32)

    @cached_property
    def _trigrams(self) -> sparse.csr_array:
        return _matrix([each.trigrams for each in self.texts])

    @cached_property
    def _words(self) -> sparse.csr_array:
        return _matrix([each.words for each in self.texts])

    def cosines(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n]: to a unit vector [d]; 0 where a text has none."""
        found: NDArray[np.float32] = self.vectors @ vector if self.vectors.shape[1] else self._zeros()
        return found

    def trigrams_like(self, other: Text) -> NDArray[np.float32]:
        """[n]: the cosine of the sets of trigrams, common / sqrt(count * count)."""
        common = _common(self._trigrams, other.trigrams)
        counts = np.array([len(each.trigrams) for each in self.texts], np.float32)
        alike: NDArray[np.float32] = common / np.sqrt(
            np.maximum(counts * np.float32(len(other.trigrams)), np.float32(1))
        )
        return alike

    def words_in(self, other: Text) -> NDArray[np.float32]:
        """[n]: how many words the other has of each."""
        return _common(self._words, other.words)

    def _zeros(self) -> NDArray[np.float32]:
        return np.zeros(len(self.texts), np.float32)


def _matrix(rows: Sequence[NDArray[np.int32]]) -> sparse.csr_array:
    """[n, buckets], a one for each bucket of a row."""
    ends = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    columns = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    return sparse.csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(rows), _BUCKETS))


def _common(matrix: sparse.csr_array, buckets: NDArray[np.int32]) -> NDArray[np.float32]:
    dense = np.zeros(_BUCKETS, np.float32)
    dense[buckets] = 1
    found: NDArray[np.float32] = matrix @ dense
    return found
