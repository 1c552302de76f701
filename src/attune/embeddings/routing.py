"""Which rows of a packed batch go to which expert."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


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
class Routing:
    """Which rows go to which expert: `ends` [experts] are the rows before which each one's end, `owners` [rows] is
    each row's expert. Experts without rows end where the one before them does.
    """

    ends: Tensor
    owners: Tensor

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Self:
        """From segments that are in order of expert, as packed ones are; for the experts up to their last one."""
        experts = segments[-1].expert + 1
        counts = torch.zeros(experts, dtype=torch.int64)
        for segment in segments:
            counts[segment.expert] += segment.rows.stop - segment.rows.start
        owners = torch.repeat_interleave(torch.arange(experts), counts)
        return cls(counts.cumsum(0).to(torch.int32), owners)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Routing":
        """With each of its tensors changed."""
        return Routing(change(self.ends), change(self.owners))
