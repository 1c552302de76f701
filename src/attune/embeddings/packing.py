"""From sequences of any length to packed batches: sorted by length, cut at a token budget, restored afterwards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np
import torch
from torch import Tensor

from attune.embeddings.attention import TilePlan, plan_tiles

_ROW_STEPS = ((128, 8), (1024, 32))
_LARGEST_ROW_STEP = 64


@dataclass(frozen=True)
class LengthGroup:
    """`count` sequences of `length` tokens each, in consecutive rows from `start`."""

    start: int
    count: int
    length: int

    @property
    def rows(self) -> slice:
        """The group's rows of a packed matrix."""
        return slice(self.start, self.start + self.count * self.length)


@dataclass(frozen=True)
class PackedBatch:
    """Some of the sequences, packed. `order[i]` is the place in the input of the i-th packed sequence.

    A few rows of token 0 may follow the last sequence: see `padded_rows`.
    """

    order: tuple[int, ...]
    groups: tuple[LengthGroup, ...]
    token_ids: Tensor  # int64 [rows]
    positions: Tensor  # int64 [rows], from 0 in each sequence
    tiles: TilePlan


def pack(sequences: Sequence[Sequence[int]], token_budget: int, dtype: torch.dtype) -> Iterator[PackedBatch]:
    """Batches of at most `token_budget` tokens, or of one sequence that is longer; short sequences first.

    `dtype` is what the layers compute in.
    """
    by_length = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    batch: list[int] = []
    tokens = 0
    for index in by_length:
        length = len(sequences[index])
        if batch and tokens + length > token_budget:
            yield _pack_batch(sequences, batch, dtype)
            batch, tokens = [], 0
        batch.append(index)
        tokens += length
    if batch:
        yield _pack_batch(sequences, batch, dtype)


def padded_rows(tokens: int) -> int:
    """`tokens` rounded up a little (ours): a product is prepared for its number of rows, which costs more than it
    takes; with few different numbers, all of them stay prepared.
    """
    step = next((step for limit, step in _ROW_STEPS if tokens <= limit), _LARGEST_ROW_STEP)
    return -(-tokens // step) * step


def _pack_batch(sequences: Sequence[Sequence[int]], order: Sequence[int], dtype: torch.dtype) -> PackedBatch:
    lengths = np.array([len(sequences[index]) for index in order])
    starts = np.cumsum(lengths) - lengths
    tokens = int(lengths.sum())
    rows = padded_rows(tokens)
    token_ids, positions = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    token_ids[:tokens] = list(chain.from_iterable(sequences[index] for index in order))
    positions[:tokens] = np.arange(tokens) - np.repeat(starts, lengths)
    return PackedBatch(
        order=tuple(order),
        groups=_length_groups(lengths.tolist()),
        token_ids=torch.from_numpy(token_ids),
        positions=torch.from_numpy(positions),
        tiles=plan_tiles(lengths.tolist(), dtype),
    )


def _length_groups(lengths: Sequence[int]) -> tuple[LengthGroup, ...]:
    groups: list[LengthGroup] = []
    start = 0
    for length, members in groupby(lengths):
        group = LengthGroup(start, sum(1 for _ in members), length)
        groups.append(group)
        start = group.rows.stop
    return tuple(groups)
