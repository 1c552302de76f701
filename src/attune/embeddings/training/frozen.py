"""The backbone as it is: what never changes in a training is computed once, by the engine that serves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.embedder import Embedder, Prepared
from attune.embeddings.items import Embedded, EmbedItem, ItemError, Role
from attune.embeddings.router import GENERAL
from attune.embeddings.stored_vectors import StoredVectors

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to normalised vectors [n, d]."""
Tokenize = Callable[[Sequence[str]], list[Sequence[int]]]
"""Texts to their tokens' ids, as the model sees them."""
_BATCH = 256


def remembered(embed: Embed) -> Embed:
    """The same, each text embedded once."""
    known: dict[str, NDArray[np.float32]] = {}

    def embed_once(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return embed_once


class FrozenBackbone:
    """Texts to the vectors [n, d] of a model's general expert, or of another, normalised, each text computed once.

    Queries are not augmented. Raises `TextError` for a text that has no tokens.
    """

    def __init__(
        self,
        embedder: Embedder,
        domain: str = GENERAL,
        role: Role = Role.PASSAGE,
        stored: StoredVectors | None = None,
    ) -> None:
        self._embedder = embedder
        self._domain = domain
        self._role = role
        self._stored = stored or StoredVectors()
        self._maker = f"{embedder.domains.route(domain).version} {role} {embedder.precision.dtype}"
        self._known: dict[str, NDArray[np.float32]] = {}

    @classmethod
    def load(cls, directory: Path, precision: str) -> "FrozenBackbone":
        """`precision` is a `PrecisionSetting`. Raises `ModelError`."""
        return cls(Embedder.load(str(directory), precision))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            stored = None if text in self._known else self._stored.find(self._maker, text)
            if stored is not None:
                self._known[text] = stored
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _BATCH):
            self._compute(new[start : start + _BATCH])
        return np.stack([self._known[text] for text in texts])

    @property
    def prompt_tokens(self) -> frozenset[int]:
        """The ids that prompts put before texts, whatever these are."""
        return self._embedder.prompt_tokens

    def tokens(self, texts: Sequence[str], reach: int = 0) -> list[Sequence[int]]:
        """The texts' ids: those that the model takes, and with them the first `reach`. Raises `TextError` for a text
        that has no tokens.
        """
        prepared = [self._whole(each).tokens for each in self._embedder.prepare(self._items(texts), reach)]
        return [(*each.ids, *each.beyond[: max(0, reach - len(each.ids))]) for each in prepared]

    def hidden(self, texts: Sequence[str]) -> list[Tensor]:
        """For each text its tokens' vectors [tokens, d] in the last layer. Raises `TextError`."""
        prepared = self._embedder.prepare(self._items(texts))
        return self._embedder.hidden([self._whole(each) for each in prepared])

    def _items(self, texts: Sequence[str]) -> list[EmbedItem]:
        return [EmbedItem(text, self._domain, self._role, augmentation=Augmentation.NONE) for text in texts]

    @staticmethod
    def _whole(prepared: Prepared | ItemError) -> Prepared:
        if not isinstance(prepared, Prepared):
            raise prepared
        return prepared

    def _compute(self, texts: Sequence[str]) -> None:
        results = self._embedder.embed(self._items(texts)).results
        for text, result in zip(texts, results, strict=True):
            if not isinstance(result, Embedded):
                raise result
            self._known[text] = _unit(result.vector)
        self._stored.keep(self._maker, texts, np.stack([self._known[text] for text in texts]))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of length 1, as the judges and the router expect, though the model may leave lengths as they are."""
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
