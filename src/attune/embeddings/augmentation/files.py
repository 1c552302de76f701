"""An augmenter's tensors on disk.

A gate's are those of its module, under `gate.`; probes are `probes.weights` [vocabulary], `probes.ids` [some],
`probes.rows` [some, d], `probes.strength` and `probes.enough`, without which any query moves as far; a tower has probes
too, and feed-forward blocks as an expert of kind `ffn` has them: `layers.<index>.<parameter>`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.gate import GATES, Gate
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import AUGMENTERS_DIRECTORY, AugmenterEntry, put_augmenter
from attune.embeddings.augmentation.probes import Probes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.expert_files import make_blocks, read_tensors
from attune.embeddings.mixture.manifest import changing, write_durably
from attune.embeddings.packed_encoder import PackedEncoder

_GATE, _PROBES = "gate.", "probes."
_OF_TOKENS = {
    Augmentation.STATISTICAL: "weights",
    Augmentation.LEARNED: "telling",
    Augmentation.CONTEXTUAL: "frequent",
}
"""What a gate is told of each token."""
_NAME_DIGITS = 12
_RETRAIN = "copy the file again, or train the augmenter again"


@dataclass(frozen=True)
class AugmenterWeights:
    """What an encoder adds: the augmenter, and of a tower its blocks, one a layer, None for the domain's own."""

    augmenter: Augmenter
    blocks: Sequence[nn.Module | None] = ()


def write_augmenter(directory: Path, name: str, tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """Write the tensors into the model directory; the file's path in it, named by its content, and sha256."""
    content = save({key: tensor.detach().contiguous() for key, tensor in tensors.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    (directory / AUGMENTERS_DIRECTORY).mkdir(exist_ok=True)
    file = f"{AUGMENTERS_DIRECTORY}/{name}-{sha256[:_NAME_DIGITS]}.safetensors"
    write_durably(directory / file, content)
    return file, sha256


def save_augmenter(
    directory: Path, augmenter: Augmenter, entry: AugmenterEntry, blocks: Mapping[str, Tensor] | None = None
) -> AugmenterEntry:
    """Add the augmenter to the model directory; `entry` says all of it but its file. The manifest names it last.

    `blocks` are those of a tower. One process after the other, so that no file is taken for one that was replaced.
    """
    tensors = gate_tensors(augmenter) if isinstance(augmenter, Gate) else {}
    if isinstance(augmenter, Probes):
        tensors = probe_tensors(augmenter)
    with changing(directory):
        file, sha256 = write_augmenter(directory, entry.kind.value, {**tensors, **(blocks or {})})
        saved = replace(entry, file=file, sha256=sha256)
        put_augmenter(directory, saved)
    return saved


def gate_tensors(gate: Gate) -> dict[str, Tensor]:
    """What a gate's file is to hold."""
    return {f"{_GATE}{name}": tensor for name, tensor in gate.state_dict().items()}


def probe_tensors(probes: Probes) -> dict[str, Tensor]:
    """What a file is to hold of probes."""
    found = {"weights": probes.weights, "ids": probes.ids, "rows": probes.rows}
    found |= {"strength": torch.tensor(probes.strength), "enough": torch.tensor(probes.enough)}
    return {f"{_PROBES}{name}": each for name, each in found.items()}


def read_augmenter(directory: Path, entry: AugmenterEntry, backbone: PackedEncoder) -> AugmenterWeights:
    """The augmenter, for a backbone in fp32.

    Raises `ModelError` for a file that is missing, damaged, or of another vocabulary or width.
    """
    file = directory / entry.file
    tensors = read_tensors(file, entry.sha256, _RETRAIN)
    try:
        augmenter = (
            _probes(tensors) if entry.kind in (Augmentation.PROBES, Augmentation.TOWER) else _gate(tensors, entry)
        )
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise ModelError(f"{file} is no augmenter of kind {entry.kind} ({error}): {_RETRAIN}") from error
    if augmenter.size != backbone.hidden_size:
        raise ModelError(f"{file}: for vectors of {augmenter.size}, these are of {backbone.hidden_size}: {_RETRAIN}")
    vocabulary = len(backbone.embeddings.word.weight)
    if augmenter.vocabulary != vocabulary:
        raise ModelError(f"{file}: for {augmenter.vocabulary} tokens, the backbone has {vocabulary}: {_RETRAIN}")
    layers = {name: tensor for name, tensor in tensors.items() if name.startswith("layers.")}
    if entry.kind is not Augmentation.TOWER:
        return AugmenterWeights(augmenter)
    if not layers:
        raise ModelError(f"{file} is of kind tower and has no blocks for any layer: {_RETRAIN}")
    general = [layer.get_submodule("feed_forward") for layer in backbone.layers]
    return AugmenterWeights(augmenter, make_blocks(layers, ExpertKind.FFN, general, str(file)))


def _probes(tensors: Mapping[str, Tensor]) -> Probes:
    weights, ids, rows, strength = (tensors[f"{_PROBES}{name}"] for name in ("weights", "ids", "rows", "strength"))
    if weights.dim() != 1 or rows.dim() != 2 or len(ids) != len(rows) or not len(ids):
        raise ValueError(f"shapes {list(weights.shape)}, {list(ids.shape)} and {list(rows.shape)} do not fit")
    if ids[0] < 0 or ids[-1] >= len(weights) or bool((ids.diff() <= 0).any()):
        raise ValueError("ids are not those of the vocabulary in ascending order")
    enough = tensors.get(f"{_PROBES}enough", torch.zeros(()))
    return Probes(weights.float(), ids.long(), rows.float(), float(strength), float(enough))


def _gate(tensors: Mapping[str, Tensor], entry: AugmenterEntry) -> Gate:
    own = {name.removeprefix(_GATE): tensor for name, tensor in tensors.items() if name.startswith(_GATE)}
    table, size = own["table"], own["projection"].shape[1]
    make: Callable[..., Gate] = GATES[entry.kind]
    told = own[_OF_TOKENS[entry.kind]]
    gate = make(table, size, told)
    gate.load_state_dict(own)
    if table.dim() != 2 or told.shape != table.shape[:1]:
        raise ValueError("weights and table are not of one vocabulary")
    return gate.requires_grad_(requires_grad=False)
