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


class TrainableExperts(nn.Module):
    """Experts for some domains, put into the layers of `transformer`; each begins as the backbone's own blocks.

    Experts of all layers have domain tokens too, which begin as the first token of the backbone. Whether the shared
    weights learn is the caller's choice.
    """

    def __init__(self, transformer: ExpertTransformer, domains: Sequence[str], shape: Shape) -> None:
        super().__init__()
        self._encoder = [transformer.encoder]  # a list, as its parameters are not the experts' own
        layers = transformer.encoder.layers
        self._first = len(layers) - (shape.layers or len(layers))
        self._kind = shape.kind
        self._numbers = {domain: number for number, domain in enumerate(domains)}
        general = [layer.get_submodule("feed_forward") for layer in layers[self._first :]]
        self.blocks = nn.ModuleList(nn.ModuleList(_trainable(block, shape) for block in general) for _ in domains)
        self._table: TableWithTokens | None = None
        if not self._first:
            self._table = TableWithTokens(transformer.encoder.embeddings.word, transformer.first_token, len(domains))
            transformer.encoder.embeddings.add_module("word", self._table)
        for domain, number in self._numbers.items():
            transformer.encoder.put_expert(1 + number, [None] * self._first + list(self._blocks_of(domain)))
            token = None if self._table is None else self._table.token_id(number)
            transformer.routes[domain] = Route(1 + number, token)

    def tensors(self, domain: str) -> dict[str, Tensor]:
        """What an expert's file is to hold."""
        found = {}
        if self._table is not None:
            found[DOMAIN_TOKEN] = self._table.tokens[self._numbers[domain]].detach()
        for layer, block in enumerate(self._blocks_of(domain), start=self._first):
            found |= {f"layers.{layer}.{name}": tensor.detach() for name, tensor in _own(block, self._kind)}
        return found

    def leave(self) -> None:
        """Give the backbone its table of words back, as its own checkpoints have it. No domain can be embedded then."""
        if self._table is not None:
            self._encoder[0].embeddings.add_module("word", self._table.table)

    def _blocks_of(self, domain: str) -> nn.ModuleList:
        return cast("nn.ModuleList", self.blocks[self._numbers[domain]])


class TableWithTokens(nn.Module):
    """A table of vectors with some more rows, `tokens`, which learn."""

    def __init__(self, table: Table, first_token: int, count: int) -> None:
        super().__init__()
        self.table = table
        self.tokens = nn.Parameter(table.weight[first_token].detach().repeat(count, 1))

    def token_id(self, number: int) -> int:
        """The id of one of the rows."""
        return len(self.table.weight) + number

    def forward(self, ids: Tensor) -> Tensor:
        ours = ids >= len(self.table.weight)
        vectors = functional.embedding(ids.masked_fill(ours, 0), self.table.weight)
        own = functional.embedding((ids - len(self.table.weight)).clamp(min=0), self.tokens)
        return torch.where(ours.unsqueeze(-1), own, vectors)


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
