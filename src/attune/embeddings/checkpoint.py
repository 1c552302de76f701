"""BERT weights from a safetensors file into our layers, each tensor checked on the way."""

from itertools import chain
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from attune.embeddings.config import EncoderConfig
from attune.embeddings.errors import ModelError
from attune.embeddings.layers import PackedBert

_EMBEDDINGS = {
    "embeddings.word.weight": "embeddings.word_embeddings.weight",
    "embeddings.position.weight": "embeddings.position_embeddings.weight",
    "embeddings.segment.weight": "embeddings.token_type_embeddings.weight",
    "embeddings.norm.weight": "embeddings.LayerNorm.weight",
    "embeddings.norm.bias": "embeddings.LayerNorm.bias",
}
_LAYER_MODULES = {
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.intermediate": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_QKV = ("query", "key", "value")


def load_bert(file: Path, config: EncoderConfig) -> PackedBert:
    """An encoder in fp32 with the file's weights.

    Raises `ModelError` that names the tensor when one is missing, has another shape than `config` says, or holds
    NaN or infinity; and when the file is not safetensors.
    """
    with torch.device("meta"):
        model = PackedBert(config)
    expected = model.state_dict()
    sources = {target: _sources_of(target) for target in expected}
    tensors = _read(file, set(chain.from_iterable(sources.values())))
    state = {}
    for target, names in sources.items():
        shape = _part_shape(expected[target], len(names))
        state[target] = torch.cat([_checked(tensors, name, file, shape) for name in names])
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(requires_grad=False)


def _read(file: Path, wanted: set[str]) -> dict[str, Tensor]:
    """Those of the wanted tensors that the file has."""
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in wanted.intersection(opened.keys())}
    except SafetensorError as error:
        raise ModelError(f"{file} is not a readable safetensors file ({error}): copy it again") from error


def _sources_of(target: str) -> tuple[str, ...]:
    """The checkpoint's names of one of our parameters: several where we fuse them, in the order of fusion."""
    if target in _EMBEDDINGS:
        return (_EMBEDDINGS[target],)
    _, index, path = target.split(".", 2)
    module, parameter = path.rsplit(".", 1)
    prefix = f"encoder.layer.{index}"
    if module == "attention.qkv":
        return tuple(f"{prefix}.attention.self.{part}.{parameter}" for part in _QKV)
    return (f"{prefix}.{_LAYER_MODULES[module]}.{parameter}",)


def _part_shape(expected: Tensor, parts: int) -> torch.Size:
    return torch.Size((expected.shape[0] // parts, *expected.shape[1:]))


def _checked(tensors: dict[str, Tensor], name: str, file: Path, shape: torch.Size) -> Tensor:
    if name not in tensors:
        raise ModelError(f"{file} has no tensor {name}: use the weights that belong to this config.json")
    tensor = tensors[name]
    if tensor.shape != shape:
        raise ModelError(
            f"{file}: tensor {name} has shape {list(tensor.shape)}, config.json says {list(shape)}: "
            "use the weights that belong to this config.json"
        )
    if not tensor.is_floating_point():
        raise ModelError(f"{file}: tensor {name} is {tensor.dtype}, not floating point: use unquantised weights")
    if not bool(torch.isfinite(tensor).all()):
        raise ModelError(f"{file}: tensor {name} holds NaN or infinity: use undamaged weights")
    return tensor.float()
