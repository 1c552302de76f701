"""Engines that compute in the worker: ours, and sentence-transformers where it is installed."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from attune.embeddings.embedder import Embedder
from attune.embeddings.items import Embedded, EmbedItem
from attune.services.cli.measure.errors import BenchError

OURS = "attune"
REFERENCE = "sentence_transformers"
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Engine(Protocol):
    """Text to vectors, in this process."""

    dtype: torch.dtype

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, d]."""
        ...


class OurEngine:
    """The library's embedder, without the service around it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.dtype = embedder.precision.dtype

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, d]. Raises the error of a text that has none."""
        vectors = []
        for result in self._embedder.embed([EmbedItem(text) for text in texts]).results:
            if not isinstance(result, Embedded):
                raise result
            vectors.append(result.vector)
        return np.stack(vectors)


def format_name(dtype: torch.dtype) -> str:
    """fp32 or bf16."""
    return next(name for name, known in _DTYPES.items() if known == dtype)


def has_reference() -> bool:
    """Whether sentence-transformers is installed."""
    return find_spec(REFERENCE) is not None


def load_engine(name: str, directory: Path, ours: OurEngine) -> Engine:
    """`attune`, or sentence_transformers_<precision>. Raises `BenchError` for another name."""
    if name == OURS:
        return ours
    dtype = _DTYPES.get(name.removeprefix(f"{REFERENCE}_"))
    if dtype is None:
        raise BenchError(f"engine {name}: use {OURS} or {REFERENCE}_<{'|'.join(_DTYPES)}>")
    from attune.services.cli.measure.embedding.local.reference import SentenceTransformers  # noqa: PLC0415 - optional

    return SentenceTransformers(directory, dtype)
