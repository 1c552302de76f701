"""Rotary position embedding: Su et al., "RoFormer" (arXiv 2104.09864), section 3.2, with the halves of a head paired as
in GPT-NeoX.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rotation:
    """The cosines and sines [rows, 1, 1, head size / 2] by which the rows' queries and keys are turned, in fp32."""

    cosines: Tensor
    sines: Tensor

    @classmethod
    def at(cls, positions: Tensor, theta: float, head_size: int) -> Self:
        """The rotation of rows at these positions [rows]: the i-th pair turns by position * theta^(-2i / head size)."""
        frequencies = 1.0 / (
            theta ** (torch.arange(0, head_size, 2, dtype=torch.float32, device=positions.device) / head_size)
        )
        angles = (positions[:, None].float() * frequencies)[:, None, None]
        return cls(angles.cos(), angles.sin())

    def turn(self, qkv: Tensor, heads: int) -> Tensor:
        """[rows, 3 * hidden] with the queries and keys turned, in place."""
        halves = qkv.view(len(qkv), 3, heads, 2, -1)[:, :2]
        first, second = halves.unbind(3)
        turned = (
            first * self.cosines - second * self.sines,
            second * self.cosines + first * self.sines,
        )
        halves.copy_(torch.stack(turned, dim=3))
        return qkv
