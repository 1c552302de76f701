"""From sequences of any length to packed batches: sorted by length, cut at a token budget, restored afterwards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import torch
from torch import Tensor

from attune.embeddings.layers import LengthGroup


@dataclass(frozen=True)
class PackedBatch:
    """Some of the sequences, packed. `order[i]` is the place in the input of the i-th packed sequence."""

    order: tuple[int, ...]
    groups: tuple[LengthGroup, ...]
    token_ids: Tensor  # int64 [tokens]
    positions: Tensor  # int64 [tokens], from 0 in each sequence


def pack(sequences: Sequence[Sequence[int]], token_budget: int) -> Iterator[PackedBatch]:
    """Batches of at most `token_budget` tokens, or of one sequence that is longer; short sequences first."""
    by_length = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    batch: list[int] = []
    tokens = 0
    for index in by_length:
        length = len(sequences[index])
        if batch and tokens + length > token_budget:
            yield _pack_batch(sequences, batch)
            batch, tokens = [], 0
        batch.append(index)
        tokens += length
    if batch:
        yield _pack_batch(sequences, batch)


def _pack_batch(sequences: Sequence[Sequence[int]], order: Sequence[int]) -> PackedBatch:
    groups: list[LengthGroup] = []
    start = 0
    for length, members in groupby(order, key=lambda index: len(sequences[index])):
        group = LengthGroup(start, sum(1 for _ in members), length)
        groups.append(group)
        start = group.rows.stop
    return PackedBatch(
        order=tuple(order),
        groups=tuple(groups),
        token_ids=torch.tensor(list(chain.from_iterable(sequences[index] for index in order)), dtype=torch.int64),
        positions=torch.cat([torch.arange(group.length).repeat(group.count) for group in groups]),
    )
