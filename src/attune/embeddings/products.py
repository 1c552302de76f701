"""Products with a weight matrix, as the encoder's layers need them: with a bias, a GELU, a factor, or a residual sum.

On a CPU, oneDNN computes them from a weight that was laid out once at start, and writes the GELU or the sum with the
product instead of reading it again. torch's own `linear` lays the weight out in every call, and in fp32 uses a library
that leaves half of some CPUs idle: see docs/adr/0011-prepacked-products.md.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.speed import Clock, speedup

_OPERATORS = ("_linear_pointwise", "_reorder_linear_weight")
_LAYOUT_ROWS = 1024  # the number of rows that the layout is chosen for; any number may be multiplied
_TOKENS, _HIDDEN, _INTERMEDIATE = 256, 384, 1536


class Product(nn.Module):
    """x -> x W^T + b. The weight is [outputs, inputs], as in `nn.Linear`; `prepack` lays it out for this CPU."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self._packed: Tensor | None = None

    def prepack(self) -> None:
        """Keep the weight in oneDNN's layout from now on, and in no other: it cannot be saved afterwards."""
        self._packed = prepacked(self.weight.detach())
        del self.weight

    def forward(self, inputs: Tensor) -> Tensor:
        if self._packed is None:
            return functional.linear(inputs, self.weight, self.bias)
        return _linear_pointwise(inputs, self._packed, self.bias, "none", "")

    def gelu(self, inputs: Tensor) -> Tensor:
        """The exact (erf) GELU of the product."""
        if self._packed is None:
            return functional.gelu(self(inputs))
        return _linear_pointwise(inputs, self._packed, self.bias, "gelu", "none")

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """The product plus `residual`, which has its shape."""
        if self._packed is None:
            return residual + cast("Tensor", self(inputs))
        return _linear_binary(inputs, residual, self._packed, self.bias, "add")

    def times(self, inputs: Tensor, factor: Tensor) -> Tensor:
        """The product times `factor`, which has its shape, element by element."""
        if self._packed is None:
            return factor * cast("Tensor", self(inputs))
        return _linear_binary(inputs, factor, self._packed, self.bias, "mul")


def prepacked(weight: Tensor) -> Tensor:
    """The weight [outputs, inputs] in the layout that oneDNN multiplies fastest; opaque to other operators."""
    return cast("Tensor", _operator("_reorder_linear_weight")(weight.contiguous(), _LAYOUT_ROWS))


def can_prepack(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this build of torch has oneDNN and the operators used here, which torch keeps for its compiler, and
    whether oneDNN computes in this format on this CPU.
    """
    built_in = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    if not (built_in and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)):
        return False
    if dtype != torch.bfloat16:
        return True
    # CPUs with AVX2 alone: `linear` computes there in bf16, by itself.
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return asked is None or bool(asked())


def fastest_product(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """The product with a weight and a bias, by the fastest way that this build of torch has."""
    if not can_prepack(weight.dtype):
        return lambda inputs: functional.linear(inputs, weight, bias)
    packed = prepacked(weight)
    return lambda inputs: _linear_pointwise(inputs, packed, bias, "none", "")


def trial_product(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, weight and bias of a product of MiniLM's feed-forward block, to measure with."""
    shapes = ((_TOKENS, _HIDDEN), (_INTERMEDIATE, _HIDDEN), (_INTERMEDIATE,))
    inputs, weight, bias = (torch.randn(shape).to(dtype) for shape in shapes)
    return inputs, weight, bias


def prepacking_speedup(dtype: torch.dtype, clock: Clock) -> float:
    """How many times faster than `linear` a prepacked product is; 0 where there is none."""
    if not can_prepack(dtype):
        return 0.0
    inputs, weight, bias = trial_product(dtype)
    prepacked_product = fastest_product(weight, bias)
    return speedup(lambda: functional.linear(inputs, weight, bias), lambda: prepacked_product(inputs), clock)


def _linear_pointwise(inputs: Tensor, packed: Tensor, bias: Tensor | None, function: str, algorithm: str) -> Tensor:
    return cast("Tensor", _operator("_linear_pointwise")(inputs, packed, bias, function, [], algorithm))


def _linear_binary(inputs: Tensor, other: Tensor, packed: Tensor, bias: Tensor | None, function: str) -> Tensor:
    return cast("Tensor", _operator("_linear_pointwise").binary(inputs, other, packed, bias, function))


def _operator(name: str) -> Any:
    """One of the operators that torch made for its own compiler."""
    return getattr(torch.ops.mkldnn, name)
