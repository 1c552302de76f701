"""How attention sees positions: not at all, by a bias for each distance, or by rotation and reach."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from attune.embeddings.attention import TilePlan
from attune.embeddings.encoder_config import EncoderConfig, ModernLayers, RotaryAttention
from attune.embeddings.packing import AttentionPlan, PackedBatch
from attune.embeddings.rotary import Rotation
from attune.embeddings.spans import SpanPlan
from attune.embeddings.table import Table
from attune.embeddings.tile_bias import beyond_reach, by_distance, with_bias

_EXACT_FRACTION = 2  # half of a direction's buckets are for one distance each
_FAR = 128  # tokens; from here on, all distances share a bucket


@dataclass(frozen=True)
class AttentionPattern:
    """What the attention of one layer needs beside the hidden rows: which rows see which, with all that is added to
    their scores, and the rotation of queries and keys, if there is one.
    """

    plan: AttentionPlan
    rotation: Rotation | None = None


class NoPositions(nn.Module):
    """Attention that sees no positions, as the embeddings hold them already."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self._layers = config.num_hidden_layers

    def forward(self, batch: PackedBatch, _dtype: torch.dtype) -> Sequence[AttentionPattern]:
        return [AttentionPattern(batch.attention)] * self._layers


class RelativePositions(nn.Module):
    """A learned bias for each head and bucket of distances, the same in all layers: MPNet's, which is T5's (Raffel et
    al., arXiv 1910.10683, section 2.1).
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self._layers = config.num_hidden_layers
        self.bias = Table(config.relative_buckets, config.num_attention_heads)

    def forward(self, batch: PackedBatch, dtype: torch.dtype) -> Sequence[AttentionPattern]:
        tiles = cast("TilePlan", batch.attention)  # a bias for each distance needs tiles
        return [AttentionPattern(with_bias(tiles, lambda length: self._bias(length, dtype)))] * self._layers

    def _bias(self, length: int, dtype: torch.dtype) -> Tensor:
        """[heads, length, length]"""
        buckets = distance_buckets(
            torch.arange(1 - length, length, device=self.bias.weight.device), len(self.bias.weight)
        )
        return by_distance(self.bias(buckets).T.to(dtype))


class RotaryPositions(nn.Module):
    """Rotated queries and keys, with a theta and a reach that differ by layer: ModernBERT's."""

    def __init__(self, config: EncoderConfig, modern: ModernLayers) -> None:
        super().__init__()
        self._layers = modern.attention
        self._head_size = config.hidden_size // config.num_attention_heads

    def forward(self, batch: PackedBatch, dtype: torch.dtype) -> Sequence[AttentionPattern]:
        patterns = {kind: self._pattern(kind, batch, dtype) for kind in set(self._layers)}
        return [patterns[kind] for kind in self._layers]

    def _pattern(self, kind: RotaryAttention, batch: PackedBatch, dtype: torch.dtype) -> AttentionPattern:
        plan = _within(batch.attention, kind.reach, dtype, batch.positions.device)
        return AttentionPattern(plan, Rotation.at(batch.positions, kind.theta, self._head_size))


def distance_buckets(distances: Tensor, buckets: int) -> Tensor:
    """The bucket of each distance, key minus query: half of the buckets for keys behind the query, half for those
    before it or at it. In each half, near distances have a bucket of their own, further ones share it by logarithm.
    """
    each = buckets // 2
    exact = each // _EXACT_FRACTION
    size = distances.abs()
    shared = torch.log(size.clamp(min=1).float() / exact) / math.log(_FAR / exact) * (each - exact)
    bucket = torch.where(size < exact, size, (exact + shared.long()).clamp(max=each - 1))
    return bucket + each * (distances > 0)


def _within(plan: AttentionPlan, reach: int | None, dtype: torch.dtype, device: torch.device) -> AttentionPlan:
    if isinstance(plan, SpanPlan):
        return replace(plan, reach=reach)
    return with_bias(plan, lambda length: beyond_reach(length, reach, dtype, device))


def positions_of(config: EncoderConfig) -> nn.Module:
    """The module that gives a batch's `AttentionPattern`s, one a layer, in the layers' number format."""
    if config.modern is not None:
        return RotaryPositions(config, config.modern)
    return RelativePositions(config) if config.relative_buckets else NoPositions(config)
