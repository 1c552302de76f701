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
        self.blocks = nn.ModuleList()
        self.grouped: nn.Module | None = None
        """All blocks as one, the general one first, where that is faster: rows and their routing -> rows."""

    def add(self, block: nn.Module) -> int:
        """The number of the new expert. Batches may be computed meanwhile: they do not go to it yet.

        `block` maps [tokens, hidden] to as many rows, each by itself.
        """
        self.blocks.append(block)
        return len(self.blocks)

    def replace(self, expert: int, block: nn.Module) -> None:
        """Let another block stand for an expert that was added."""
        self.blocks[expert - 1] = block

    def forward(self, general: nn.Module, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[rows, hidden] -> [rows, hidden], each segment by its expert; `general` is the layer's own block."""
        segments = batch.segments
        if batch.routing is not None and self.grouped is not None:
            return _tensor(self.grouped(hidden, batch.routing))
        if len(segments) == 1:
            return _tensor(self._block(segments[0].expert, general)(hidden))
        return torch.cat(
            [self._block(segment.expert, general)(hidden[segment.computed])[segment.kept] for segment in segments]
        )

    def _block(self, expert: int, general: nn.Module) -> nn.Module:
        return general if expert == GENERAL_EXPERT else self.blocks[expert - 1]


def prepare_block(block: nn.Module, dtype: torch.dtype, *, prepack: bool) -> nn.Module:
    """Make a loaded fp32 block compute in `dtype`, with weights laid out for this CPU if `prepack`."""
    block.to(dtype)
    for product in (module for module in block.modules() if prepack and isinstance(module, Product)):
        product.prepack()
    return block.eval().requires_grad_(requires_grad=False)


def _tensor(value: Tensor) -> Tensor:
    """Gives the type back that `nn.Module.__call__` loses."""
    return value
