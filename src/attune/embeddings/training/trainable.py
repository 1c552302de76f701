"""The parts of a model that are trained: an expert's blocks beside the frozen backbone, or the whole backbone."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from attune.embeddings.domains import ExpertKind
from attune.embeddings.mixture.expert_files import DOMAIN_TOKEN
from attune.embeddings.mixture.sentence_transformer import ExpertTransformer, Route
from attune.embeddings.products import Product
from attune.embeddings.table import Table

_LORA_SCALE = 2.0  # alpha / r: the factors' product counts twice, as is usual
_NUMBER = 1


class Kind(StrEnum):
    """What is trained."""

    AXES = "axes"  # nothing: the domain's axes are computed
    FFN = "ffn"
    LORA = "lora"
    FULL = "full"  # every parameter of the backbone: a specialist, for comparison


@dataclass(frozen=True)
class Shape:
    """An expert's size: how many of the last layers it has blocks for (0: all), and for LoRA, of what rank."""

    kind: Kind
    layers: int = 0
    rank: int = 16


class TrainableExpert(nn.Module):
    """An expert for one domain, put into the layers of `transformer`; it begins as the backbone's own blocks.

    An expert of all layers has a domain token too, which begins as the first token of the backbone.
    """

    def __init__(self, transformer: ExpertTransformer, domain: str, shape: Shape) -> None:
        super().__init__()
        encoder = transformer.encoder
        encoder.requires_grad_(requires_grad=False)
        count = shape.layers or len(encoder.layers)
        self._first = len(encoder.layers) - count
        self._kind = shape.kind
        general = [layer.get_submodule("feed_forward") for layer in encoder.layers[self._first :]]
        self.blocks = nn.ModuleList(_trainable(block, shape) for block in general)
        encoder.put_expert(_NUMBER, [None] * self._first + list(self.blocks))
        self.token: nn.Parameter | None = None
        token_id = None
        if not self._first:
            table = TableWithToken(encoder.embeddings.word, transformer.first_token)
            encoder.embeddings.add_module("word", table)
            self.token, token_id = table.token, table.token_id
        transformer.routes[domain] = Route(_NUMBER, token_id)

    def tensors(self) -> dict[str, Tensor]:
        """What the expert's file is to hold."""
        found = {} if self.token is None else {DOMAIN_TOKEN: self.token.detach()}
        for layer, block in enumerate(self.blocks, start=self._first):
            found |= {f"layers.{layer}.{name}": tensor.detach() for name, tensor in _own(block, self._kind)}
        return found


class TableWithToken(nn.Module):
    """A frozen table of vectors with one more row, which learns."""

    def __init__(self, table: Table, first_token: int) -> None:
        super().__init__()
        self.table = table
        self.token = nn.Parameter(table.weight[first_token].detach().clone())
        self.token_id = len(table.weight)

    def forward(self, ids: Tensor) -> Tensor:
        ours = ids == self.token_id
        vectors = functional.embedding(ids.masked_fill(ours, 0), self.table.weight)
        return torch.where(ours.unsqueeze(-1), self.token, vectors)


class LowRankSum(nn.Module):
    """A weight [outputs, inputs] with the product of two factors added: `up` [outputs, rank], `down` [rank, inputs]."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device))
        self.down = nn.Parameter(torch.empty(rank, inputs, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + _LORA_SCALE * self.up @ self.down


def _trainable(block: nn.Module, shape: Shape) -> nn.Module:
    copied = copy.deepcopy(block)
    if shape.kind is not Kind.LORA:
        return copied.requires_grad_(requires_grad=True)
    copied.requires_grad_(requires_grad=False)
    for product in list(_products(copied).values()):
        parametrize.register_parametrization(product, "weight", LowRankSum(product.weight.detach(), shape.rank))
    return copied


def _own(block: nn.Module, kind: Kind) -> Iterator[tuple[str, Tensor]]:
    if kind is not Kind.LORA:
        yield from block.named_parameters()
        return
    for name, product in _products(block).items():
        parametrizations = cast("Mapping[str, Sequence[LowRankSum]]", product.parametrizations)
        factors = parametrizations["weight"][0]
        yield f"{name}.up", _LORA_SCALE * factors.up
        yield f"{name}.down", factors.down


def _products(block: nn.Module) -> dict[str, Product]:
    return {name: module for name, module in block.named_modules() if isinstance(module, Product)}


EXPERT_KINDS = {Kind.FFN: ExpertKind.FFN, Kind.LORA: ExpertKind.LORA}
"""What an expert is called that was trained so."""
