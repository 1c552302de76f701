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
