"""From sequences of any length to packed batches: sorted by expert and length, cut at a token budget, restored
afterwards.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, pairwise

import numpy as np
import torch
from torch import Tensor

from attune.embeddings.attention import TilePlan
from attune.embeddings.routing import Routing, Segment
from attune.embeddings.spans import SpanPlan

_ROW_STEPS = ((128, 8), (1024, 32))
_SEGMENT_STEPS = ((1024, 8), (2048, 32))
_LARGEST_ROW_STEP = 64

AttentionPlan = TilePlan | SpanPlan
PlanAttention = Callable[[Sequence[int], int], AttentionPlan]
"""From the lengths of sequences that lie one after the other, and the rows that there are, how they are attended to."""


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

    A few rows of token 0 may follow the last sequence: see `padded_rows`. The last segment includes them. `groups` are
    the sequences, where they are attended to in tiles.
    """

    order: tuple[int, ...]
    groups: tuple[LengthGroup, ...]
    segments: tuple[Segment, ...]
    token_ids: Tensor  # int64 [rows]
    positions: Tensor  # int64 [rows], from 0 in each sequence
    attention: AttentionPlan
    routing: Routing | None = None

    def routed(self) -> "PackedBatch":
        """With the rows' routing, where they go to several experts."""
        return self if len(self.segments) == 1 else replace(self, routing=Routing.of(self.segments))

    def to(self, device: torch.device) -> "PackedBatch":
        """The same, on a device."""
        if device.type == "cpu":
            return self
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, change: Callable[[Tensor], Tensor]) -> "PackedBatch":
        """With each of its tensors changed."""
        return replace(
            self,
            token_ids=change(self.token_ids),
            positions=change(self.positions),
            attention=self.attention.map(change),
            routing=None if self.routing is None else self.routing.map(change),
        )

    def tensors(self) -> list[Tensor]:
        """All of its tensors, in an order that its `shape` decides."""
        found: list[Tensor] = []

        def note(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        self.map(note)
        return found

    def shape(self) -> Hashable:
        """What batches have in common that differ in nothing but what their tensors hold."""
        segments = tuple((each.expert, each.rows.stop) for each in self.segments)
        return len(self.token_ids), self.groups, segments, self.attention.shape(), self.routing is None


def pack(
    sequences: Sequence[Sequence[int]], token_budget: int, plan: PlanAttention, experts: Sequence[int] = ()
) -> Iterator[PackedBatch]:
    """Batches of at most `token_budget` tokens, or of one sequence that is longer; short sequences first.

    `plan` says how each batch's sequences are attended to. `experts` has the expert of each sequence; if empty, all go
    to expert 0.
    """
    expert_of = experts or [0] * len(sequences)
    batch: list[int] = []
    tokens = 0
    for index in _by_expert_and_length(sequences, expert_of):
        length = len(sequences[index])
        if batch and tokens + length > token_budget:
            yield _pack_batch(sequences, expert_of, batch, plan)
            batch, tokens = [], 0
        batch.append(index)
        tokens += length
    if batch:
        yield _pack_batch(sequences, expert_of, batch, plan)


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
    sequences: Sequence[Sequence[int]], experts: Sequence[int], order: Sequence[int], plan: PlanAttention
) -> PackedBatch:
    lengths = np.array([len(sequences[index]) for index in order])
    starts = np.cumsum(lengths) - lengths
    tokens = int(lengths.sum())
    rows = padded_rows(tokens)
    token_ids, positions = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    token_ids[:tokens] = list(chain.from_iterable(sequences[index] for index in order))
    positions[:tokens] = np.arange(tokens) - np.repeat(starts, lengths)
    attention = plan(lengths.tolist(), rows)
    return PackedBatch(
        order=tuple(order),
        groups=_length_groups(lengths.tolist()) if isinstance(attention, TilePlan) else (),
        segments=_segments([experts[index] for index in order], starts.tolist(), rows),
        token_ids=torch.from_numpy(token_ids),
        positions=torch.from_numpy(positions),
        attention=attention,
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
