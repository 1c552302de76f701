"""What a family's checkpoints call the tensors that our layers hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """What one of our parameters is made of: the tensors `names`, one below the other, or one of `parts` equal parts
    of a single tensor, counted from 0.
    """

    names: tuple[str, ...]
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class TensorNames:
    """Our modules to theirs.

    `prefix` stands before every name in files that hold the encoder with a head. `modules` are those outside the
    layers. Within the i-th layer, which is `{layers}.{i}`, `layer` are those that correspond one to one, `fused` ours
    that are several of theirs, and `split` theirs that are several of ours.
    """

    prefix: str
    layers: str
    modules: Mapping[str, str]
    layer: Mapping[str, str]
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def source(self, parameter: str) -> Source:
        """Where one of our parameters comes from, by its path in the encoder."""
        module, kind = parameter.rsplit(".", 1)
        if not module.startswith("layers."):
            return Source((f"{self.modules[module]}.{kind}",))
        _, index, within = module.split(".", 2)
        names, part, parts = self._in_layer(within)
        return Source(tuple(f"{self.layers}.{index}.{name}.{kind}" for name in names), part, parts)

    def _in_layer(self, module: str) -> tuple[tuple[str, ...], int, int]:
        for theirs, ours in self.split.items():
            if module in ours:
                return (theirs,), ours.index(module), len(ours)
        return self.fused.get(module) or (self.layer[module],), 0, 1
