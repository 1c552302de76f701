"""All experts' feed-forward blocks as one, for GPUs: each product is one launch for all experts of a batch.

An expert after the other, as on a CPU, is as many launches as experts, each too small to fill a GPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.layers import FeedForward
from attune.embeddings.products import Product
from attune.embeddings.routing import Routing


class GroupedFeedForward(nn.Module):
    """The feed-forward blocks of all experts, the general one first: [rows, hidden] -> [rows, hidden]."""

    def __init__(self, blocks: Sequence[FeedForward]) -> None:
        super().__init__()
        self._first = _GroupedProduct([block.intermediate for block in blocks])
        self._second = _GroupedProduct([block.output for block in blocks])

    def forward(self, hidden: Tensor, routing: Routing) -> Tensor:
        return hidden + self._second(functional.gelu(self._first(hidden, routing)), routing)


class _GroupedProduct:
    """x -> x W^T + b with a weight and a bias for each expert, copied from its product."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._weights = torch.stack([product.weight.detach() for product in products])
        biases = [product.bias.detach() for product in products if product.bias is not None]
        self._biases = torch.stack(biases)

    def __call__(self, inputs: Tensor, routing: Routing) -> Tensor:
        weights = self._weights[: len(routing.ends)].transpose(1, 2)
        products: Tensor = functional.grouped_mm(inputs, weights, offs=routing.ends)
        return products + self._biases[routing.owners]


def can_group(blocks: Sequence[nn.Module], device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the blocks can be computed as one: BERT's, in bf16, on a GPU, with a torch that has the product."""
    known = all(isinstance(block, FeedForward) for block in blocks)
    return known and device.type == "cuda" and dtype == torch.bfloat16 and hasattr(functional, "grouped_mm")
