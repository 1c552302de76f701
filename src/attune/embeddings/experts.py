"""Experts: feed-forward blocks that stand in for a layer's own, each for the sequences of its domain.

The domain decides, for a whole sequence and in every layer (Hallee et al., arXiv 2401.15713, section 2.2; the segments
are ours). Everything else of the layer is shared. A batch is ordered by expert once, when it is packed, so an expert's
tokens are consecutive rows in every layer: each block computes on a view of them, and no token is looked for.
"""

import torch
from torch import Tensor, nn

from attune.embeddings.packing import PackedBatch
from attune.embeddings.products import Product

GENERAL_EXPERT = 0
"""The backbone's own feed-forward blocks."""


class ExpertBank(nn.Module):
    """One layer's experts beside its own feed-forward block, which is expert 0 and stays as it was loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, nn.Module] = {}
        self.grouped: nn.Module | None = None
        """All blocks as one, the general one first, where that is faster: rows and their routing -> rows."""

    def put(self, expert: int, block: nn.Module | None) -> None:
        """Let a block stand for an expert; None: the general one. Batches of other experts may be computed meanwhile.

        `block` maps [tokens, hidden] to as many rows, each by itself.
        """
        if block is None:
            self._blocks.pop(expert, None)
        else:
            self._blocks[expert] = block

    def find(self, expert: int) -> nn.Module | None:
        """The block that an expert has of its own."""
        return self._blocks.get(expert)

    def all_blocks(self, general: nn.Module, experts: int) -> list[nn.Module]:
        """The block of each of so many experts, the general one first."""
        return [self._blocks.get(expert, general) for expert in range(experts)]

    def forward(self, general: nn.Module, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[rows, hidden] -> [rows, hidden], each segment by its expert; `general` is the layer's own block."""
        segments = batch.segments
        if batch.routing is not None and self.grouped is not None:
            return _tensor(self.grouped(hidden, batch.routing))
        if len(segments) == 1:
            return _tensor(self._blocks.get(segments[0].expert, general)(hidden))
        return torch.cat(
            [self._blocks.get(segment.expert, general)(hidden[segment.computed])[segment.kept] for segment in segments]
        )


def prepare_block(block: nn.Module, dtype: torch.dtype, *, prepack: bool) -> nn.Module:
    """Make a loaded fp32 block compute in `dtype`, with weights laid out for this CPU if `prepack`."""
    block.to(dtype)
    for product in (module for module in block.modules() if prepack and isinstance(module, Product)):
        product.prepack()
    return block.eval().requires_grad_(requires_grad=False)


def _tensor(value: Tensor) -> Tensor:
    """Gives the type back that `nn.Module.__call__` loses."""
    return value
