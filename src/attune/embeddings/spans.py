"""Self-attention over packed sequences by a kernel that is told where each one lies: for GPUs, instead of tiles.

There are no masks to be made and copied, and batches of as many sequences differ in nothing but what their tensors
hold, so that a recorded pass serves many of them.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_log = logging.getLogger(__name__)
_LONGEST_STEPS = (16, 32, 64, 128, 256, 512)  # ours: what a recorded pass is recorded for
_NO_REACH = -1
_TOLERANCE = 0.02  # of the contexts' size, by which bf16 may round


@dataclass(frozen=True)
class SpanPlan:
    """Where sequences lie that are one after the other: `bounds` [spans + 1], int32, is each one's first row and the
    end of the last. The last span is no sequence: it has the rows that follow them, if there are any.

    `longest` is at least the rows of any span; `reach` is how far apart two tokens may be that see each other.
    """

    bounds: Tensor
    longest: int
    reach: int | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "SpanPlan":
        """With each of its tensors changed."""
        return replace(self, bounds=change(self.bounds))

    def shape(self) -> Hashable:
        """What plans have in common that differ in nothing but what their tensors hold."""
        return len(self.bounds), self.longest, self.reach

    def attend(self, qkv: Tensor, heads: int) -> Tensor:
        """[rows, 3 * hidden] -> [rows, hidden]: query (already scaled), key and value of each row to its context."""
        query, key, value = qkv.view(len(qkv), 3, heads, -1).unbind(1)
        window = (_NO_REACH,) * 2 if self.reach is None else (self.reach,) * 2
        longest, kernel = self.longest, _kernel()
        context: Tensor = kernel(
            query, key, value, self.bounds, self.bounds, longest, longest, scale=1.0, window_size=window
        )
        return context.reshape(len(qkv), -1)


def plan_spans(lengths: Sequence[int], rows: int) -> SpanPlan:
    """The spans of sequences that lie one after the other in the first of `rows`."""
    ends = np.cumsum(lengths)
    longest = max(*lengths, rows - int(ends[-1]))
    bounds = torch.from_numpy(np.array([0, *ends, rows], np.int32))
    return SpanPlan(bounds, next((step for step in _LONGEST_STEPS if step >= longest), longest))


@cache
def can_attend_by_spans(head_size: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel is there for heads of that size, in that format, on that device, and right: it is tried."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return False
    try:
        right = _is_right(head_size, device, dtype)
    except (ImportError, TypeError, ValueError, RuntimeError):  # an older torch, a GPU or head size without the kernel
        _log.warning("attention in tiles, which are slower: the kernel cannot be used", exc_info=True)
        return False
    if not right:
        _log.warning("attention in tiles, which are slower: the kernel is wrong for heads of %d, %s", head_size, device)
    return right


def _is_right(head_size: int, device: torch.device, dtype: torch.dtype) -> bool:
    lengths = (5, 1, 40)
    qkv = torch.randn(sum(lengths), 3 * head_size, device=device, dtype=dtype) / head_size**0.25
    found = plan_spans(lengths, len(qkv)).map(lambda tensor: tensor.to(device)).attend(qkv, 1).float()
    parts = [part.float().chunk(3, dim=1) for part in qkv.split(lengths)]
    expected = torch.cat([functional.softmax(query @ key.T, dim=1) @ value for query, key, value in parts])
    return bool((found - expected).norm() <= _TOLERANCE * expected.norm())


@cache
def _kernel() -> Callable[..., Any]:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - not every torch has it

    return varlen_attn
