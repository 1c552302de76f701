"""A loaded encoder into int8: what its products are given is observed, then each is replaced.

Attention, norms and embeddings stay as they are.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from attune.embeddings.layers import FeedForward, PackedSelfAttention
from attune.embeddings.products import Product
from attune.embeddings.quantized_products import QuantizedFeedForward, QuantizedProduct

_LENGTHS = (8, 16, 32, 64, 128, 256)
_SEQUENCES_EACH = 8
_SMOOTHING_BEFORE_QKV = 0.8
_SMOOTHING_AFTER_ATTENTION = 0.4
_SMOOTHING = 0.6


def calibration_sequences(vocabulary: int, longest: int) -> list[list[int]]:
    """Token sequences to observe products with: random ones, always the same.

    They give the ranges that text gives, without text to choose and to ship; see docs/adr/0014-int8.md.
    """
    generator = np.random.default_rng(0)
    lengths = [min(length, longest) for length in _LENGTHS for _ in range(_SEQUENCES_EACH)]
    return [generator.integers(vocabulary, size=length).tolist() for length in lengths]


def quantize(blocks: Iterable[nn.Module], run: Callable[[], object], attention_dtype: torch.dtype) -> list[nn.Module]:
    """The blocks, their products in int8: loaded fp32 modules, which change, and give their weights up.

    `run` computes `calibration_sequences` with the blocks. `attention_dtype` is what queries, keys and values are
    written in.
    """
    listed = list(blocks)
    owners = [module for block in listed for module in block.modules()]
    observed = [
        (owner, name, _Observed(child))
        for owner in owners
        for name, child in owner.named_children()
        if isinstance(child, Product)
    ]
    for owner, name, product in observed:
        setattr(owner, name, product)
    run()
    for owner, name, product in observed:
        if not isinstance(owner, FeedForward):
            setattr(owner, name, _quantized(owner, name, product, attention_dtype))
    return [_with_feed_forward(block) for block in listed]


class _Observed(nn.Module):
    """A product that keeps the largest size of each channel of its inputs."""

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.product = product
        self.peaks = torch.zeros(product.weight.shape[1])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.product(self._seen(inputs))  # type: ignore[no-any-return]

    def gelu(self, inputs: Tensor) -> Tensor:
        return self.product.gelu(self._seen(inputs))

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        return self.product.plus(self._seen(inputs), residual)

    def times(self, inputs: Tensor, factor: Tensor) -> Tensor:
        return self.product.times(self._seen(inputs), factor)

    def _seen(self, inputs: Tensor) -> Tensor:
        self.peaks = torch.maximum(self.peaks, inputs.abs().amax(0))
        return inputs


def _quantized(owner: nn.Module, name: str, observed: _Observed, attention_dtype: torch.dtype) -> QuantizedProduct:
    if not isinstance(owner, PackedSelfAttention):
        return QuantizedProduct(observed.product, observed.peaks, _SMOOTHING)
    if name == "qkv":
        return QuantizedProduct(observed.product, observed.peaks, _SMOOTHING_BEFORE_QKV, attention_dtype)
    return QuantizedProduct(observed.product, observed.peaks, _SMOOTHING_AFTER_ATTENTION)


def _with_feed_forward(block: nn.Module) -> nn.Module:
    """The block with each BERT feed-forward block in it, or itself if it is one, in int8."""
    if isinstance(block, FeedForward):
        return _feed_forward(block)
    for owner in list(block.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, FeedForward):
                setattr(owner, name, _feed_forward(child))
    return block


def _feed_forward(block: FeedForward) -> QuantizedFeedForward:
    first, second = block.intermediate, block.output
    if not isinstance(first, _Observed) or not isinstance(second, _Observed):
        raise TypeError("the block was not observed")
    return QuantizedFeedForward(first.product, second.product, first.peaks, second.peaks, _SMOOTHING)
