"""How much arithmetic a text needs, whatever an engine spends on it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import safe_open

_NOT_LINEAR_LAYERS = ("embeddings", "pooler")


@dataclass(frozen=True)
class Operations:
    """The encoder's dimensions that its arithmetic depends on."""

    linear_weights: int
    """Elements of all weight matrices of the encoder's linear layers."""
    hidden_size: int
    layers: int

    @classmethod
    def read(cls, directory: Path) -> "Operations":
        """Of a model directory."""
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        with safe_open(directory / "model.safetensors", framework="np") as weights:
            shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118 - no dict
        matrices = [
            shape
            for name, shape in shapes.items()
            if len(shape) == 2 and not any(part in name for part in _NOT_LINEAR_LAYERS)
        ]
        return cls(sum(map(prod, matrices)), config["hidden_size"], config["num_hidden_layers"])

    def of(self, lengths: Iterable[int]) -> int:
        """Floating-point operations for sequences of those lengths L, without padding.

        Two for each weight and token in the linear layers; and in each layer 4 L² d for the two attention products.
        """
        return sum(
            2 * length * self.linear_weights + 4 * length * length * self.hidden_size * self.layers
            for length in lengths
        )
