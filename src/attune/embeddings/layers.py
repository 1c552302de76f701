"""The layers of a BERT encoder over packed tokens.

The tokens of all sequences lie one after the other in a matrix of shape [tokens, hidden]; there is no padding. Only
attention sees sequences, in groups of equal length, so that each group is one dense product. Formulas: Devlin et
al., "BERT" (arXiv 1810.04805), which takes its layer from Vaswani et al., "Attention Is All You Need" (arXiv
1706.03762), sections 3.1-3.3, with the norm after each residual sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.config import EncoderConfig


@dataclass(frozen=True)
class LengthGroup:
    """`count` sequences of `length` tokens each, in consecutive rows from `start`."""

    start: int
    count: int
    length: int

    @property
    def rows(self) -> slice:
        """The group's rows of a packed matrix."""
        return slice(self.start, self.start + self.count * self.length)


class PackedEmbeddings(nn.Module):
    """Word, position and segment vectors, summed and normalised: [tokens] -> [tokens, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.segment = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        # A text alone is always the first segment.
        summed = self.word(token_ids) + self.position(positions) + self.segment.weight[0]
        return _tensor(self.norm(summed))


class PackedSelfAttention(nn.Module):
    """Multi-head self-attention within each sequence: [tokens, hidden] -> [tokens, hidden].

    Query, key and value are one fused product.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor, groups: Sequence[LengthGroup]) -> Tensor:
        qkv = self.qkv(hidden)
        contexts = [self._attend(qkv[group.rows], group) for group in groups]
        return _tensor(self.output(torch.cat(contexts)))

    def _attend(self, qkv: Tensor, group: LengthGroup) -> Tensor:
        split = qkv.view(group.count, group.length, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [count, heads, length, head size]
        context = functional.scaled_dot_product_attention(query, key, value)
        return context.transpose(1, 2).reshape(group.count * group.length, -1)


class FeedForward(nn.Module):
    """The position-wise block, with the exact (erf) GELU: [tokens, hidden] -> [tokens, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.intermediate = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return _tensor(self.output(functional.gelu(self.intermediate(hidden))))


class PackedLayer(nn.Module):
    """One transformer layer: attention and feed-forward, each with its residual sum and norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = PackedSelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.output_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, groups: Sequence[LengthGroup]) -> Tensor:
        attended = self.attention_norm(hidden + self.attention(hidden, groups))
        return _tensor(self.output_norm(attended + self.feed_forward(attended)))


class PackedBert(nn.Module):
    """A BERT encoder without its pooler head: token ids and positions, both [tokens], -> [tokens, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embeddings = PackedEmbeddings(config)
        self.layers = nn.ModuleList(PackedLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, token_ids: Tensor, positions: Tensor, groups: Sequence[LengthGroup]) -> Tensor:
        # The embeddings stay in fp32, where they cost next to nothing; the layers may be in bf16.
        hidden = self.embeddings(token_ids, positions).to(self.layers_dtype)
        for layer in self.layers:
            hidden = layer(hidden, groups)
        return _tensor(hidden)

    @property
    def layers_dtype(self) -> torch.dtype:
        """The number format that the layers compute in."""
        return next(self.layers.parameters()).dtype


def _tensor(value: Tensor) -> Tensor:
    """Gives the type back that `nn.Module.__call__` loses."""
    return value
