"""What is added to the scores of tiles beside the mask that keeps sequences apart: functions of a distance.

A sequence's tokens have consecutive places in its tile, so the distance of two places is that of their tokens, whatever
else lies in the tile.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from attune.embeddings.attention import TileGroup, TilePlan


def with_bias(plan: TilePlan, bias: Callable[[int], Tensor | None]) -> TilePlan:
    """The plan with `bias(length)` [heads or 1, length, length] added in tiles of that length; None adds nothing."""
    return replace(plan, groups=tuple(_biased(group, bias(group.length)) for group in plan.groups))


def by_distance(values: Tensor) -> Tensor:
    """[heads, 2 * length - 1] -> [heads, length, length]: the value of each pair's distance, key minus query.

    `values` are those of the distances from 1 - length to length - 1.
    """
    length = (values.shape[1] + 1) // 2
    # The keys of query i are at the distances from -i on: a window of the values that begins at length - 1 - i.
    return values.unfold(1, length, 1).flip(1)


def beyond_reach(length: int, reach: int | None, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """-inf for pairs further apart than `reach` tokens, 0 for others; None where no pair is."""
    if reach is None or length - 1 <= reach:
        return None
    distances = torch.arange(1 - length, length, device=device)
    values = torch.zeros(1, len(distances), dtype=dtype, device=device)
    return by_distance(values.masked_fill_(distances.abs() > reach, float("-inf")))


def _biased(group: TileGroup, bias: Tensor | None) -> TileGroup:
    if bias is None:
        return group
    shared = bias.expand(group.count, *bias.shape)
    return replace(group, mask=shared if group.mask is None else group.mask + shared)
