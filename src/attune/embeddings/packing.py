"""From sequences of any length to packed batches: sorted by expert and length, cut at a token budget, restored
afterwards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, pairwise

import numpy as np
import torch
from torch import Tensor

from attune.embeddings.attention import TilePlan, plan_tiles

_ROW_STEPS = ((128, 8), (1024, 32))
_SEGMENT_STEPS = ((1024, 8), (2048, 32))
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
class Segment:
    """Consecutive rows whose sequences go to one expert.

    `computed` are those rows and a few more around them, so that an expert's products have few different sizes too.
    """

    expert: int
    rows: slice
    computed: slice

    @property
    def kept(self) -> slice:
        """The segment's rows among the computed ones."""
        before = self.rows.start - self.computed.start
        return slice(before, before + self.rows.stop - self.rows.start)


@dataclass(frozen=True)
class PackedBatch:
    """Some of the sequences, packed. `order[i]` is the place in the input of the i-th packed sequence.

    A few rows of token 0 may follow the last sequence: see `padded_rows`. The last segment includes them.
    """

    order: tuple[int, ...]
    groups: tuple[LengthGroup, ...]
    segments: tuple[Segment, ...]
    token_ids: Tensor  # int64 [rows]
    positions: Tensor  # int64 [rows], from 0 in each sequence
    tiles: TilePlan

    def to(self, device: torch.device) -> "PackedBatch":
        """The same, on a device."""
        if device.type == "cpu":
            return self
        token_ids, positions = (each.to(device, non_blocking=True) for each in (self.token_ids, self.positions))
        return replace(self, token_ids=token_ids, positions=positions, tiles=self.tiles.to(device))


def pack(
    sequences: Sequence[Sequence[int]], token_budget: int, dtype: torch.dtype, experts: Sequence[int] = ()
) -> Iterator[PackedBatch]:
    """Batches of at most `token_budget` tokens, or of one sequence that is longer; short sequences first.

    `dtype` is what the layers compute in. `experts` has the expert of each sequence; if empty, all go to expert 0.
    """
    expert_of = experts or [0] * len(sequences)
    batch: list[int] = []
    tokens = 0
    for index in _by_expert_and_length(sequences, expert_of):
        length = len(sequences[index])
        if batch and tokens + length > token_budget:
            yield _pack_batch(sequences, expert_of, batch, dtype)
            batch, tokens = [], 0
        batch.append(index)
        tokens += length
    if batch:
        yield _pack_batch(sequences, expert_of, batch, dtype)


def padded_rows(tokens: int) -> int:
    """`tokens` rounded up a little (ours): a product is prepared for its number of rows, which costs more than it
    takes; with few different numbers, all of them stay prepared.
    """
    return _round_up(tokens, _ROW_STEPS)


def _by_expert_and_length(sequences: Sequence[Sequence[int]], experts: Sequence[int]) -> list[int]:
    """Expert after expert, so that most batches hold one or two of them, and their products are nearly as large as if
    all sequences went to one. Every other expert's sequences come long ones first: neighbours have similar lengths.
    """
    direction = {expert: -1 if place % 2 else 1 for place, expert in enumerate(sorted(set(experts)))}
    return sorted(
        range(len(sequences)),
        key=lambda index: (experts[index], direction[experts[index]] * len(sequences[index])),
    )


def _pack_batch(
    sequences: Sequence[Sequence[int]], experts: Sequence[int], order: Sequence[int], dtype: torch.dtype
) -> PackedBatch:
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
        segments=_segments([experts[index] for index in order], starts.tolist(), rows),
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


def _segments(experts: Sequence[int], starts: Sequence[int], rows: int) -> tuple[Segment, ...]:
    """One for each run of sequences of an expert; `starts` are the sequences' first rows."""
    changes = [place for place, expert in enumerate(experts) if place == 0 or expert != experts[place - 1]]
    bounds = [*(starts[place] for place in changes), rows]
    return tuple(
        Segment(experts[place], slice(start, stop), _widened(start, stop, rows))
        for place, (start, stop) in zip(changes, pairwise(bounds), strict=True)
    )


def _widened(start: int, stop: int, rows: int) -> slice:
    """At least the rows from `start` to `stop`, of `rows`, and one of few numbers of them if there are so many."""
    count = min(_round_up(stop - start, _SEGMENT_STEPS), rows)
    first = min(start, rows - count)
    return slice(first, first + count)


def _round_up(count: int, steps: Sequence[tuple[int, int]]) -> int:
    step = next((step for limit, step in steps if count <= limit), _LARGEST_ROW_STEP)
    return -(-count // step) * step
