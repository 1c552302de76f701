"""An encoder's weights from safetensors files into our layers, each tensor checked on the way."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from attune.embeddings.backbones.names import Source, TensorNames
from attune.embeddings.backbones.registry import tensor_names
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.errors import ModelError
from attune.embeddings.packed_encoder import PackedEncoder
from attune.embeddings.weights import weight_files


def load_encoder(directory: Path, config: EncoderConfig) -> PackedEncoder:
    """An encoder in fp32 with the directory's weights.

    Raises `ModelError` that names the tensor when one is missing, has another shape than `config` says, or holds
    NaN or infinity; and when a file is not safetensors.
    """
    with torch.device("meta"):
        model = PackedEncoder(config)
    names = tensor_names(config.family)
    expected = {target: tensor.shape for target, tensor in model.state_dict().items()}
    sources = {target: names.source(target) for target in expected}
    wanted = chain.from_iterable(source.names for source in sources.values())
    tensors = Tensors.read(weight_files(directory), names, wanted)
    state = {target: tensors.assembled(sources[target], shape) for target, shape in expected.items()}
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(requires_grad=False)


def published_tensors(encoder: PackedEncoder, config: EncoderConfig, files: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, with those that the encoder has replaced by its own: in fp32, scales folded in."""
    names = tensor_names(config.family)
    found: dict[str, Tensor] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            found |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    prefix = names.prefix if any(name.startswith(names.prefix) for name in found) else ""
    halves: dict[str, list[tuple[int, Tensor]]] = {}
    for target, tensor in encoder.unfolded_state().items():
        source = names.source(target)
        for name, part in zip(source.names, tensor.detach().chunk(len(source.names)), strict=True):
            halves.setdefault(name, []).append((source.part, part))
    for name, parts in halves.items():
        ordered = [part for _, part in sorted(parts, key=lambda numbered: numbered[0])]
        found[prefix + name if prefix + name in found else name] = torch.cat(ordered).clone()
    return found


class Tensors:
    """Tensors of a checkpoint by their names without the prefix, each with the file that it is in."""

    def __init__(self, files: Sequence[Path], tensors: dict[str, tuple[Path, Tensor]]) -> None:
        self._files = files
        self._tensors = tensors

    @classmethod
    def read(cls, files: Sequence[Path], names: TensorNames, wanted: Iterable[str]) -> "Tensors":
        """Those of the wanted tensors that the files have, with the family's prefix or without it.

        Raises `ModelError` for a file that is not safetensors.
        """
        either = {name: name for name in wanted}
        either |= {names.prefix + name: name for name in either}
        tensors: dict[str, tuple[Path, Tensor]] = {}
        for file in files:
            tensors |= {either[name]: (file, tensor) for name, tensor in _read_file(file, set(either)).items()}
        return cls(files, tensors)

    def assembled(self, source: Source, shape: torch.Size) -> Tensor:
        """A parameter of that shape, in fp32."""
        rows = shape[0] * source.parts // len(source.names)
        checked = [self._checked(name, torch.Size((rows, *shape[1:]))) for name in source.names]
        # A copy in any case: the tensors may be the file's own memory, which layers would change and others may cut.
        return torch.cat([tensor.chunk(source.parts)[source.part] for tensor in checked])

    def _checked(self, name: str, shape: torch.Size) -> Tensor:
        if name not in self._tensors:
            place = self._files[0] if len(self._files) == 1 else self._files[0].parent
            raise ModelError(f"{place} has no tensor {name}: use the weights that belong to this config.json")
        file, tensor = self._tensors[name]
        if tensor.shape != shape:
            raise ModelError(
                f"{file}: tensor {name} has shape {list(tensor.shape)}, config.json says {list(shape)}: "
                "use the weights that belong to this config.json"
            )
        if not tensor.is_floating_point():
            raise ModelError(f"{file}: tensor {name} is {tensor.dtype}, not floating point: use unquantised weights")
        # The extremes carry NaN and infinity, and are found 25 times as fast as every value is tested.
        if not all(bool(torch.isfinite(extreme)) for extreme in tensor.aminmax()):
            raise ModelError(f"{file}: tensor {name} holds NaN or infinity: use undamaged weights")
        return tensor.float()


def _read_file(file: Path, wanted: set[str]) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in wanted.intersection(opened.keys())}
    except SafetensorError as error:
        raise ModelError(f"{file} is not a readable safetensors file ({error}): copy it again") from error
