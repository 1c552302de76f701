"""The machine's matrix-product ceiling, as measured at this moment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from attune.embeddings.products import fastest_product

_SHAPES = ((2048, 384, 1536), (2048, 1536, 384), (4096, 1024, 1024), (2048, 2048, 2048))
"""Rows, inner and columns: MiniLM's feed-forward products on a large batch, and larger ones."""
_SECONDS = 0.04


@dataclass(frozen=True)
class Ceiling:
    """GFLOP/s of the fastest of a few large products."""

    plain: float
    """By `torch.mm`."""
    best: float
    """With the weight laid out for the CPU beforehand too: on some CPUs more than twice as fast in fp32."""


@torch.inference_mode()
def measure_ceiling(
    dtype: torch.dtype, seconds: float = _SECONDS, shapes: Sequence[tuple[int, int, int]] = _SHAPES
) -> Ceiling:
    """The ceiling in a precision; each product is repeated for so many seconds.

    The median of the repetitions counts: what is sustained, not the luckiest moment.
    """
    plain, laid_out = (max(_rate(shape, dtype, make, seconds) for shape in shapes) for make in (_plain, _laid_out))
    return Ceiling(plain, max(plain, laid_out))


def _plain(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    columns = weight.t().contiguous()
    return lambda inputs: torch.mm(inputs, columns)


def _laid_out(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return fastest_product(weight, torch.zeros(weight.shape[0], dtype=weight.dtype))


def _rate(
    shape: tuple[int, int, int],
    dtype: torch.dtype,
    make: Callable[[torch.Tensor], Callable[[torch.Tensor], torch.Tensor]],
    seconds: float,
) -> float:
    rows, inner, columns = shape
    inputs, product = torch.randn(rows, inner).to(dtype), make(torch.randn(columns, inner).to(dtype))
    product(inputs)  # the first call sets up the kernel
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while not times or time.perf_counter() < ends:
        started = time.perf_counter()
        product(inputs)
        times.append(time.perf_counter() - started)
    return 2 * rows * inner * columns / median(times) / 1e9
