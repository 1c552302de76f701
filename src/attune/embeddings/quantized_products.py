"""Products in int8: 8-bit inputs times 8-bit weights, for CPUs with VNNI.

Each output has a scale for its weights. The inputs have one scale for all of a product, chosen once from what was
observed, so that a row's result does not depend on the other rows. Channels with large inputs would take the digits of
the others: part of their size is moved into the weights (Xiao et al., "SmoothQuant", arXiv 2211.10438, equation 4).
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.products import Product

_OPERATORS = ("qlinear_pointwise", "qlinear_prepack")
_LAYOUT_ROWS = 1024
_LARGEST = 127
_BYTES = 255
_CENTRE = 128  # the byte that stands for 0 where inputs lie on both sides of it
_SMALLEST_PEAK = 1e-5  # of a channel that is always 0
_LOWEST_GELU = -0.17
OUTLIERS = 4
"""How many channels within a feed-forward block stay in fp32. One or two of a layer are several times larger than the
others; see docs/adr/0014-int8.md.
"""


@dataclass(frozen=True)
class Format:
    """What the bytes of a matrix mean: `scale * (byte - zero)`."""

    scale: float
    zero: int


class QuantizedProduct(nn.Module):
    """x -> x W^T + b with the operations of `Product`, which gives its weight up.

    `peaks` [inputs] are the largest sizes of the inputs, each channel's; larger ones are cut. `smoothing` is how much
    of a channel's size goes into the weights, from 0 to 1. The results of `forward` are of type `output`, those of
    others fp32.
    """

    def __init__(self, product: Product, peaks: Tensor, smoothing: float, output: torch.dtype = torch.float32) -> None:
        super().__init__()
        weight = product.weight.detach()
        peaks = peaks.clamp(min=_SMALLEST_PEAK)
        moved = peaks**smoothing / weight.abs().amax(0).clamp(min=_SMALLEST_PEAK) ** (1 - smoothing)
        self._inputs = Format(float((peaks / moved).max()) / _LARGEST, _CENTRE)
        self._factors = 1 / (moved * self._inputs.scale)
        self._weight = QuantizedWeight(weight * moved, product.bias)
        self._output = output

    def forward(self, inputs: Tensor) -> Tensor:
        return self._weight.times(self._bytes(inputs), self._inputs, self._output)

    def gelu(self, inputs: Tensor) -> Tensor:
        """The exact (erf) GELU of the product."""
        return self._weight.gelu(self._bytes(inputs), self._inputs, None)

    def gelu_bytes(self, inputs: Tensor, written: Format) -> Tensor:
        """The GELU as bytes, for a product that reads them."""
        return self._weight.gelu(self._bytes(inputs), self._inputs, written)

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """The product plus `residual`, which has its shape."""
        return self._weight.plus(self._bytes(inputs), self._inputs, residual)

    def times(self, inputs: Tensor, factor: Tensor) -> Tensor:
        """The product times `factor`, which has its shape, element by element."""
        return self._weight.times(self._bytes(inputs), self._inputs, torch.float32) * factor

    def _bytes(self, inputs: Tensor) -> Tensor:
        # torch converts to int8 five times as fast as to uint8; the bytes of x + 128 are those of x but for one bit.
        scaled = torch.mul(inputs, self._factors).round_().clamp_(-_LARGEST, _LARGEST)
        return scaled.to(torch.int8).view(torch.uint8).bitwise_xor_(_CENTRE)


class QuantizedFeedForward(nn.Module):
    """A feed-forward block with GELU and residual sum, whose inner values are bytes but for the outlying channels.

    `peaks` [hidden] and `inner_peaks` [intermediate] are the sizes observed before the first and the second product.
    """

    def __init__(self, first: Product, second: Product, peaks: Tensor, inner_peaks: Tensor, smoothing: float) -> None:
        super().__init__()
        outliers = inner_peaks.topk(min(OUTLIERS, len(inner_peaks) - 1)).indices
        self._wide_in = first.weight.detach()[outliers].clone()
        self._wide_bias = None if first.bias is None else first.bias.detach()[outliers].clone()
        self._wide_out = second.weight.detach()[:, outliers].T.clone()
        self.first = QuantizedProduct(first, peaks, smoothing)
        rest = second.weight.detach().index_fill(1, outliers, 0)
        highest = float(inner_peaks.index_fill(0, outliers, 0).max())
        scale = max(highest - _LOWEST_GELU, _SMALLEST_PEAK) / _BYTES
        self._inner = Format(scale, round(-_LOWEST_GELU / scale))
        self.second = QuantizedWeight(rest, second.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        wide = functional.gelu(functional.linear(hidden, self._wide_in, self._wide_bias))
        inner = self.first.gelu_bytes(hidden, self._inner)
        return self.second.plus(inner, self._inner, torch.addmm(hidden, wide, self._wide_out))


class QuantizedWeight:
    """A weight [outputs, inputs] as bytes in oneDNN's layout, with its bias; multiplies bytes of any format."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._scales = weight.abs().amax(1).clamp(min=_SMALLEST_PEAK) / _LARGEST
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        digits = (weight / self._scales[:, None]).round().to(torch.int8)
        self._packed: Tensor = _operator("qlinear_prepack")(digits, [_LAYOUT_ROWS, weight.shape[1]])
        self._bias = None if bias is None else bias.detach()

    def times(self, inputs: Tensor, read: Format, output: torch.dtype) -> Tensor:
        """The product of bytes [rows, inputs]."""
        return self._pointwise(inputs, read, None, output, "none")

    def gelu(self, inputs: Tensor, read: Format, written: Format | None) -> Tensor:
        """Its GELU: as bytes of the format `written`, or in fp32."""
        return self._pointwise(inputs, read, written, torch.float32 if written is None else torch.uint8, "gelu")

    def plus(self, inputs: Tensor, read: Format, residual: Tensor) -> Tensor:
        """The product plus `residual`, in fp32."""
        binary = _operator("qlinear_pointwise").binary
        weight = (self._packed, self._scales, self._zeros)
        function: tuple[object, ...] = (1.0, 0, torch.float32, 1.0, 0, "add", 1.0, "none", [], "none")
        return cast("Tensor", binary(inputs, read.scale, read.zero, *weight, residual, self._bias, *function))

    def _pointwise(
        self, inputs: Tensor, read: Format, written: Format | None, output: torch.dtype, function: str
    ) -> Tensor:
        target = written or Format(1.0, 0)
        weight = (self._packed, self._scales, self._zeros, self._bias)
        written_as: tuple[object, ...] = (target.scale, target.zero, output, function, [], "none")
        return cast("Tensor", _operator("qlinear_pointwise")(inputs, read.scale, read.zero, *weight, *written_as))


def can_quantize() -> bool:
    """Whether this build of torch has oneDNN and the operators used here, which torch keeps for its compiler."""
    built_in = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return built_in and all(hasattr(torch.ops.onednn, name) for name in _OPERATORS)


def _operator(name: str) -> Any:
    return getattr(torch.ops.onednn, name)
