"""sentence-transformers on the same weights; in fp32 it is what cosines are taken to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer


class SentenceTransformers:
    """Its encoder with its own defaults: batches of 32, texts sorted by length first."""

    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._model = SentenceTransformer(str(directory), device="cpu", model_kwargs={"dtype": dtype})

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, d]."""
        return np.asarray(self._model.encode(list(texts), show_progress_bar=False), np.float32)
