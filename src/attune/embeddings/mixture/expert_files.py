"""An expert's tensors on disk, and the feed-forward blocks that they make of the backbone's.

A file of kind `ffn` holds whole blocks, `layers.<index>.<parameter>`; one of kind `lora` holds, for each product of a
block, two factors of what is added to its weight: `layers.<index>.<product>.up` [outputs, rank] and `.down` [rank,
inputs] (Hu et al., "LoRA", arXiv 2106.09685, section 4.1; their factor alpha / r is in `up`). Layers without tensors
keep the backbone's block. Either kind may hold `domain_token` [embedding size], which stands in for the first token's
vector (Hallee et al., arXiv 2401.15713, section 2.2), and a head: `axes.centre` [d] and `axes.matrix` [d, d], with or
without `words.mixing` [d, d], `words.weights` [vocabulary], `words.ids` [some] and `words.rows` [some, d], and with
`words.reach` [1] if they read further than the backbone. A file of kind `axes` holds a head alone.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.errors import ModelError
from attune.embeddings.heads import Head
from attune.embeddings.mixture.manifest import ExpertEntry, write_durably
from attune.embeddings.packed_encoder import PackedEncoder
from attune.embeddings.words import Words

EXPERTS_DIRECTORY = "experts"
DOMAIN_TOKEN = "domain_token"  # noqa: S105 - a tensor's name
_CENTRE, _MATRIX = "axes.centre", "axes.matrix"
_WORDS, _IDS, _REACH = ("words.mixing", "words.weights", "words.rows"), "words.ids", "words.reach"
_LONGEST_REACH = 1 << 16
_NAME_DIGITS = 12
_RETRAIN = "copy the file again, or train the expert again"


@dataclass(frozen=True)
class ExpertWeights:
    """What an encoder adds: a block for each layer, None for the backbone's own; the domain's token, and its head."""

    blocks: Sequence[nn.Module | None]
    token: Tensor | None = None
    head: Head | None = None

    def memory_bytes(self, parameter_bytes: int) -> int:
        """What the expert takes once it is loaded, if each number of its blocks takes so much; the rest is in fp32."""
        owned = [block for block in self.blocks if block is not None]
        count = sum(parameter.numel() for block in owned for parameter in block.parameters())
        rest = (0 if self.token is None else self.token.nbytes) + (0 if self.head is None else self.head.nbytes)
        return count * parameter_bytes + rest


def write_expert(directory: Path, domain: str, tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """Write an expert's tensors into the model directory; the file's path in it, named by its content, and sha256."""
    content = save({name: _stored(tensor) for name, tensor in tensors.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    (directory / EXPERTS_DIRECTORY).mkdir(exist_ok=True)
    file = f"{EXPERTS_DIRECTORY}/{domain}-{sha256[:_NAME_DIGITS]}.safetensors"
    write_durably(directory / file, content)
    return file, sha256


def read_expert(directory: Path, entry: ExpertEntry, backbone: PackedEncoder) -> ExpertWeights:
    """The expert as blocks in fp32, made of copies of the backbone's, which is in fp32 too.

    Raises `ModelError` for a file that is missing, damaged, or of another backbone.
    """
    file = directory / entry.file
    tensors = read_tensors(file, entry.sha256)
    token, head = tensors.pop(DOMAIN_TOKEN, None), _head(tensors, file)
    vocabulary, size = backbone.embeddings.word.weight.shape
    if token is not None and token.shape != (size,):
        raise ModelError(f"{file}: {DOMAIN_TOKEN} has shape {list(token.shape)}, expected [{size}]: {_RETRAIN}")
    if head is not None and head.size != backbone.hidden_size:
        raise ModelError(f"{file}: axes of {head.size}, expected {backbone.hidden_size}: {_RETRAIN}")
    if head is not None and head.words is not None and len(head.words.weights) > vocabulary:
        raise ModelError(f"{file}: words of {len(head.words.weights)} tokens, at most {vocabulary} are: {_RETRAIN}")
    if head is None and entry.kind is ExpertKind.AXES:
        raise ModelError(f"{file} has neither {_CENTRE} nor {_MATRIX}, which kind axes is made of: {_RETRAIN}")
    general = [layer.get_submodule("feed_forward") for layer in backbone.layers]
    return ExpertWeights(make_blocks(tensors, entry.kind, general, str(file)), token, head)


def read_head(directory: Path, entry: ExpertEntry) -> Head | None:
    """The expert's head alone, if it has one. Raises `ModelError` for a file that is missing or damaged."""
    file = directory / entry.file
    return _head(read_tensors(file, entry.sha256), file) if entry.file else None


def head_tensors(head: Head) -> dict[str, Tensor]:
    """What an expert's file is to hold of its head."""
    found = {_CENTRE: head.axes.centre, _MATRIX: head.axes.matrix}
    if head.words is not None:
        words = head.words
        found |= dict(zip((*_WORDS, _IDS), (words.mixing, words.weights, words.rows, words.ids), strict=True))
        found |= {_REACH: torch.tensor([words.reach])} if words.reach else {}
    return found


def _stored(tensor: Tensor) -> Tensor:
    """In fp32; ids as they are."""
    return (tensor.detach().float() if tensor.is_floating_point() else tensor).contiguous()


def _head(tensors: dict[str, Tensor], file: Path) -> Head | None:
    """Taken out of the tensors, if it is there."""
    centre, matrix, words = _floats(tensors, _CENTRE), _floats(tensors, _MATRIX), _words(tensors, file)
    if centre is None and matrix is None and words is None:
        return None
    if centre is None or matrix is None or centre.dim() != 1 or matrix.shape != (len(centre), len(centre)):
        raise ModelError(
            f"{file}: {_CENTRE} [d] and {_MATRIX} [d, d] do not fit together, or one is missing: {_RETRAIN}"
        )
    if words is not None and len(words.mixing) != len(centre):
        raise ModelError(f"{file}: words of {len(words.mixing)}, axes of {len(centre)}: {_RETRAIN}")
    return Head(Axes(centre, matrix), words)


def _words(tensors: dict[str, Tensor], file: Path) -> Words | None:
    """Taken out of the tensors, if they are there."""
    ids, reach = tensors.pop(_IDS, None), tensors.pop(_REACH, torch.zeros(1, dtype=torch.int64))
    mixing, weights, rows = (_floats(tensors, name) for name in _WORDS)
    if ids is None and mixing is None and weights is None and rows is None:
        return None
    if mixing is None or weights is None or ids is None or rows is None or not _fit(mixing, weights, ids, rows):
        raise ModelError(f"{file}: {', '.join((*_WORDS, _IDS))} do not fit together, or one is missing: {_RETRAIN}")
    if reach.dtype is not torch.int64 or reach.shape != (1,) or not 0 <= int(reach) <= _LONGEST_REACH:
        raise ModelError(f"{file}: {_REACH} is no number of tokens from 0 to {_LONGEST_REACH}: {_RETRAIN}")
    return Words(mixing, weights, ids, rows, int(reach))


def _floats(tensors: dict[str, Tensor], name: str) -> Tensor | None:
    """Taken out of the tensors, in fp32, if it is there and of floating point."""
    found = tensors.pop(name, None)
    return found.float() if found is not None and found.is_floating_point() else None


def _fit(mixing: Tensor, weights: Tensor, ids: Tensor, rows: Tensor) -> bool:
    if (mixing.dim(), weights.dim(), ids.dim(), rows.dim()) != (2, 1, 1, 2) or ids.dtype is not torch.int64:
        return False
    size = len(mixing)
    shapes = mixing.shape == (size, size) and rows.shape == (len(ids), size) and len(ids) > 0
    return shapes and bool((ids.diff() > 0).all()) and bool(ids[0] >= 0) and bool(ids[-1] < len(weights))


def make_blocks(
    tensors: Mapping[str, Tensor], kind: ExpertKind, general: Sequence[nn.Module], source: str
) -> list[nn.Module | None]:
    """A block for each layer that `tensors` name, made of a copy of the general one; None for the others.

    Raises `ModelError`, which names `source`, for tensors that do not fit.
    """
    by_layer: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        index, _, parameter = rest.partition(".")
        if prefix != "layers" or not index.isdecimal() or int(index) >= len(general):
            raise ModelError(f"{source}: tensor {name} is of no layer of this backbone: {_RETRAIN}")
        by_layer.setdefault(int(index), {})[parameter] = tensor
    change = _add_factors if kind is ExpertKind.LORA else _replace
    blocks: list[nn.Module | None] = [None] * len(general)
    for layer, of_layer in by_layer.items():
        block = copy.deepcopy(general[layer])
        change(block, of_layer, f"{source}: layers.{layer}")
        blocks[layer] = block
    return blocks


def _replace(block: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    own = dict(block.named_parameters())
    wrong = sorted(set(own) ^ set(tensors)) or [name for name in own if own[name].shape != tensors[name].shape]
    if wrong:
        raise ModelError(f"{source}.{wrong[0]} is missing, of another shape or too much: {_RETRAIN}")
    block.load_state_dict(dict(tensors))


@torch.no_grad()
def _add_factors(block: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    own = dict(block.named_parameters())
    for product in dict.fromkeys(name.rpartition(".")[0] for name in tensors):
        weight, up, down = (
            own.get(f"{product}.weight"),
            tensors.get(f"{product}.up"),
            tensors.get(f"{product}.down"),
        )
        if weight is None or up is None or down is None or (up.shape[0], down.shape[1]) != weight.shape:
            raise ModelError(f"{source}.{product} has no two factors that fit its weight: {_RETRAIN}")
        weight.add_(up @ down)


def read_tensors(file: Path, sha256: str, mend: str = _RETRAIN) -> dict[str, Tensor]:
    """The tensors of a file. Raises `ModelError`, which says how to `mend` it, for one that is missing, damaged, or not
    of that sha256.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): {mend}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ModelError(f"{file} has sha256 {actual}, the manifest says {sha256}: {mend}")
    try:
        tensors: dict[str, Tensor] = load(content)
    except SafetensorError as error:
        raise ModelError(f"{file} is not a readable safetensors file ({error}): {mend}") from error
    broken = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if broken is not None:
        raise ModelError(f"{file}: tensor {broken} holds NaN or infinity: {mend}")
    return tensors
