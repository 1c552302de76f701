"""The encoder: token ids to vectors, in packed batches without padding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attune.embeddings.checkpoint import load_bert
from attune.embeddings.config import ModelConfig, Pooling
from attune.embeddings.layers import PackedBert
from attune.embeddings.packing import LengthGroup, PackedBatch, pack
from attune.embeddings.precision import Precision
from attune.embeddings.weights import WEIGHTS_FILE

DEFAULT_TOKEN_BUDGET = 2048
"""Tokens computed at once: enough to fill the cores, few enough that a layer's activations stay near the caches."""


class Encoder:
    """A BERT encoder with its pooling. Vectors do not depend on what else is in the call, but for rounding."""

    def __init__(
        self,
        bert: PackedBert,
        config: ModelConfig,
        precision: Precision,
        token_budget: int = DEFAULT_TOKEN_BUDGET,
    ) -> None:
        self._bert = bert.prepare(precision.dtype, prepack=precision.prepacked)
        self._config = config
        self._token_budget = token_budget

    @classmethod
    def load(cls, directory: Path, config: ModelConfig, precision: Precision) -> Self:
        """The encoder with the weights in `directory`. Raises `ModelError`."""
        return cls(load_bert(directory / WEIGHTS_FILE, config.encoder), config, precision)

    @property
    def dimension(self) -> int:
        """d, the length of a vector."""
        return self._config.encoder.hidden_size

    @torch.inference_mode()
    def encode(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors [n, d] of n token sequences, in their order, L2-normalised if the model says so.

        Raises `ValueError` for a sequence that is empty or longer than the model's positions, and for an id outside
        the vocabulary.
        """
        self._check(token_ids)
        vectors = torch.empty(len(token_ids), self.dimension)
        for batch in pack(token_ids, self._token_budget, self._bert.layers_dtype):
            vectors[list(batch.order)] = self._encode_batch(batch)
        result: NDArray[np.float32] = vectors.numpy()
        return result

    def _encode_batch(self, batch: PackedBatch) -> Tensor:
        hidden = self._bert(batch)
        vectors = torch.cat([self._pool(hidden[group.rows], group) for group in batch.groups])
        return functional.normalize(vectors) if self._config.normalize else vectors

    def _pool(self, hidden: Tensor, group: LengthGroup) -> Tensor:
        """[count * length, d] -> [count, d], in fp32 whatever the layers compute in."""
        sequences = hidden.view(group.count, group.length, -1)
        if self._config.pooling is Pooling.CLS:
            return sequences[:, 0].float()
        return sequences.mean(dim=1, dtype=torch.float32)

    def _check(self, token_ids: Sequence[Sequence[int]]) -> None:
        config = self._config.encoder
        for index, sequence in enumerate(token_ids):
            if not 0 < len(sequence) <= config.max_position_embeddings:
                raise ValueError(
                    f"sequence {index} has {len(sequence)} tokens: give 1 to {config.max_position_embeddings}"
                )
            if min(sequence) < 0 or max(sequence) >= config.vocab_size:
                raise ValueError(f"sequence {index} has an id outside 0..{config.vocab_size - 1}: tokenize it again")
