"""Self-attention over packed sequences, in tiles.

A tile is a square of places in which one or more sequences lie; a mask keeps each to itself. Short sequences share a
tile, long ones have one of their own, and tiles of a size are computed together: a batch of sixty different lengths is
a handful of dense products, and not sixty small ones. Only attention sees the places that a tile leaves empty.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_SHARED_TILE = 32  # the smallest tile that is worth a product of its own
_TILE_LENGTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
_LONG_STEP = 256
_SCORES_AT_ONCE = 1 << 20  # scores of all heads computed together: what the caches hold


@dataclass(frozen=True)
class TileGroup:
    """`count` tiles of `length` places, from place `start`. `mask` [count, heads or 1, length, length] is added to the
    scores: 0 within a sequence, or a bias; -inf between two. None where nothing is to be added.
    """

    start: int
    count: int
    length: int
    mask: Tensor | None

    def map(self, change: Callable[[Tensor], Tensor]) -> "TileGroup":
        """With its mask changed, if it has one."""
        return self if self.mask is None else replace(self, mask=change(self.mask))

    @property
    def places(self) -> slice:
        """The group's places, of all groups'."""
        return slice(self.start, self.start + self.count * self.length)


@dataclass(frozen=True)
class TilePlan:
    """How the rows of a packed matrix go into tiles and back.

    `rows` [places] is the row that each place shows (any row, where it is empty), `places` [tokens] the place of each
    row; both are None where places are rows.
    """

    groups: tuple[TileGroup, ...]
    rows: Tensor | None
    places: Tensor | None

    def map(self, change: Callable[[Tensor], Tensor]) -> "TilePlan":
        """With each of its tensors changed."""
        rows, places = (None if each is None else change(each) for each in (self.rows, self.places))
        return TilePlan(tuple(group.map(change) for group in self.groups), rows, places)

    def shape(self) -> Hashable:
        """What plans have in common that differ in nothing but what their tensors hold."""
        groups = tuple((group.count, group.length, group.mask is None) for group in self.groups)
        return groups, self.rows is None, self.places is None

    def attend(self, qkv: Tensor, heads: int) -> Tensor:
        """[rows, 3 * hidden] -> [rows, hidden]: query (already scaled), key and value of each row to its context.

        Rows beyond the sequences become zero.
        """
        placed = qkv if self.rows is None else qkv.index_select(0, self.rows)
        parts = [_attend_group(placed[group.places], group, heads) for group in self.groups]
        contexts = parts[0] if len(parts) == 1 else torch.cat(parts)
        if self.places is not None:
            contexts = contexts.index_select(0, self.places)
        missing = qkv.shape[0] - contexts.shape[0]
        return functional.pad(contexts, (0, 0, 0, missing)) if missing else contexts


def tiles_in(dtype: torch.dtype) -> Callable[[Sequence[int], int], TilePlan]:
    """Plans of sequences in tiles, by their lengths; `dtype` is what the layers compute in."""
    return lambda lengths, _rows: plan_tiles(lengths, dtype)


def plan_tiles(lengths: Sequence[int], dtype: torch.dtype) -> TilePlan:
    """The tiles of sequences that lie one after the other, in any order. `dtype` is the masks'."""
    in_rows = np.asarray(lengths)
    by_length = np.argsort(in_rows, kind="stable")  # sequences of a length are neighbours, so that they share tiles
    in_tiles = in_rows[by_length]
    tile_lengths, offsets = _arrange(in_tiles.tolist())
    starts = np.cumsum([0, *tile_lengths])
    first_places = np.concatenate([starts[tile] + np.asarray(inside) for tile, inside in enumerate(offsets)])
    first_rows = (np.cumsum(in_rows) - in_rows)[by_length]
    sequences = np.repeat(np.arange(len(lengths)), in_tiles)
    within = np.arange(len(sequences)) - (np.cumsum(in_tiles) - in_tiles)[sequences]
    places, rows = first_places[sequences] + within, first_rows[sequences] + within
    owners = np.full(starts[-1], -1)
    owners[places] = sequences
    groups = tuple(_groups(tile_lengths, owners, dtype))
    if starts[-1] == len(rows) and np.array_equal(first_places, first_rows):
        return TilePlan(groups, None, None)
    return TilePlan(groups, _inverse(places, rows, int(starts[-1])), _inverse(rows, places, len(rows)))


def _inverse(keys: NDArray[np.int64], values: NDArray[np.int64], size: int) -> Tensor:
    """[size]: at each of `keys` its value, 0 elsewhere."""
    table = np.zeros(size, dtype=np.int64)
    table[keys] = values
    return torch.from_numpy(table)


def _attend_group(qkv: Tensor, group: TileGroup, heads: int) -> Tensor:
    tiles = qkv.view(group.count, group.length, 3, heads, -1)
    if qkv.dtype != torch.bfloat16 or qkv.device.type != "cpu":
        query, key, value = tiles.permute(2, 0, 3, 1, 4)  # each [count, heads, length, head size]
        context = functional.scaled_dot_product_attention(query, key, value, attn_mask=group.mask, scale=1.0)
        return context.transpose(1, 2).reshape(group.count * group.length, -1)
    # In bf16 on a CPU, torch's fused attention is slower than in fp32; plain products take half its time.
    step = max(1, _SCORES_AT_ONCE // (heads * group.length**2))
    bounds = [*range(0, group.count, step), group.count]
    parts = [
        _attend_with_products(tiles[start:stop], None if group.mask is None else group.mask[start:stop])
        for start, stop in pairwise(bounds)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _attend_with_products(tiles: Tensor, mask: Tensor | None) -> Tensor:
    count, length, _, heads, size = tiles.shape
    query, key, value = tiles.permute(2, 0, 3, 1, 4).reshape(3, count * heads, length, size)
    scores = torch.bmm(query, key.transpose(1, 2))
    if mask is not None:
        scores.view(count, heads, length, length).add_(mask)
    context = torch.bmm(torch.softmax(scores, dim=-1), value)
    return context.view(count, heads, length, size).transpose(1, 2).reshape(count * length, -1)


def _arrange(lengths: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """The length of each tile, and where in it its sequences begin; `lengths` rise."""
    if lengths[0] == lengths[-1]:
        return _arrange_equal(lengths[0], len(lengths))
    tile_lengths: list[int] = []
    offsets: list[list[int]] = []
    used = 0
    for length in lengths:
        tile = _tile_length(length)
        if not tile_lengths or tile != tile_lengths[-1] or used + length > tile:
            tile_lengths.append(tile)
            offsets.append([])
            used = 0
        offsets[-1].append(used)
        used += length
    return tile_lengths, offsets


def _arrange_equal(length: int, count: int) -> tuple[list[int], list[list[int]]]:
    """Full tiles: as many sequences in each as fit and divide their number."""
    together = next(number for number in range(max(1, _SHARED_TILE // length), 0, -1) if count % number == 0)
    tiles = count // together
    return [length * together] * tiles, [[length * place for place in range(together)]] * tiles


def _tile_length(length: int) -> int:
    return next((tile for tile in _TILE_LENGTHS if tile >= length), -(-length // _LONG_STEP) * _LONG_STEP)


def _groups(tile_lengths: Sequence[int], owners: NDArray[np.int64], dtype: torch.dtype) -> Iterator[TileGroup]:
    start = 0
    for length, members in groupby(tile_lengths):
        count = sum(1 for _ in members)
        group = TileGroup(start, count, length, None)
        yield TileGroup(start, count, length, _mask(owners[group.places].reshape(count, length), dtype))
        start = group.places.stop


def _mask(owners: NDArray[np.int64], dtype: torch.dtype) -> Tensor | None:
    if bool((owners == owners[:, :1]).all()):
        return None
    apart = torch.from_numpy(owners[:, None, :, None] != owners[:, None, None, :])
    return torch.zeros(apart.shape, dtype=dtype).masked_fill_(apart, float("-inf"))
