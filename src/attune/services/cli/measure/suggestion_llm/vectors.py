"""Unit vectors of queries, by the packaged model."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.items import Embedded, EmbedItem

_BATCH = 256
Vectors = Mapping[str, NDArray[np.float32]]


class Vectorizer:
    """Remembers what it has embedded."""

    def __init__(self) -> None:
        from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

        self._embedder = Embedder.load()
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def model_id(self) -> str:
        """As the embedding service calls the model."""
        return f"{self._embedder.name}@{self._embedder.revision}"

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Their vectors [n, d]."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _BATCH):
            some = new[start : start + _BATCH]
            for text, each in zip(some, self._embedder.embed([EmbedItem(text) for text in some]).results, strict=True):
                if not isinstance(each, Embedded):
                    raise each
                self._known[text] = each.vector
        return np.stack([self._known[text] for text in texts])
