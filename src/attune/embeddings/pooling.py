"""A sequence's token vectors into one vector."""

import math

import torch
from torch import Tensor

from attune.embeddings.config import Pooling


def pool(sequences: Tensor, pooling: Pooling) -> Tensor:
    """[count, length, d] -> [count, d], in fp32 whatever the layers compute in. Modes as in sentence-transformers."""
    match pooling:
        case Pooling.CLS:
            return sequences[:, 0].float()
        case Pooling.LAST:
            return sequences[:, -1].float()
        case Pooling.MAX:
            return sequences.amax(dim=1).float()
        case Pooling.MEAN:
            return sequences.mean(dim=1, dtype=torch.float32)
        case Pooling.MEAN_SQRT_LENGTH:
            return sequences.sum(dim=1, dtype=torch.float32) / math.sqrt(sequences.shape[1])
        case Pooling.WEIGHTED_MEAN:
            weights = torch.arange(1, sequences.shape[1] + 1, dtype=torch.float32, device=sequences.device)
            shares = (weights / weights.sum())[:, None]
            return (sequences.float() * shares).sum(dim=1)


def pool_spans(hidden: Tensor, bounds: Tensor, positions: Tensor, pooling: Pooling) -> Tensor:
    """[rows, d] -> [count, d], as `pool` does, of sequences that lie one after the other.

    `bounds` [count + 1] are each one's first row and the end of the last, `positions` [rows] are from 0 in each.
    """
    starts, ends = bounds[:-1].long(), bounds[1:].long()
    lengths = ends - starts
    match pooling:
        case Pooling.CLS:
            return hidden.index_select(0, starts).float()
        case Pooling.LAST:
            return hidden.index_select(0, ends - 1).float()
        case Pooling.MAX:
            return _reduced(hidden, "max", lengths)
        case Pooling.MEAN:
            return _reduced(hidden, "mean", lengths)
        case Pooling.MEAN_SQRT_LENGTH:
            return _reduced(hidden, "sum", lengths) / lengths.sqrt()[:, None]
        case Pooling.WEIGHTED_MEAN:
            weights = (positions + 1).float()[:, None]
            return _reduced(hidden.float() * weights, "sum", lengths) / (lengths * (lengths + 1) / 2)[:, None]


def _reduced(hidden: Tensor, how: str, lengths: Tensor) -> Tensor:
    """Of the first rows: those behind the last sequence are no sequence's, and would have to be asked for."""
    return torch.segment_reduce(hidden.float(), how, lengths=lengths, unsafe=True)
