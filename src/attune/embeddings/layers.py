"""The layers of a BERT encoder over packed tokens.

The tokens of all sequences lie one after the other in a matrix of shape [tokens, hidden]; there is no padding. Only
attention sees sequences, in the tiles of `attention.py`. Formulas: Devlin et
al., "BERT" (arXiv 1810.04805), which takes its layer from Vaswani et al., "Attention Is All You Need" (arXiv
1706.03762), sections 3.1-3.3, with the norm after each residual sum.
"""

from typing import Self

import torch
from torch import Tensor, nn

from attune.embeddings.attention import TilePlan, attend
from attune.embeddings.config import EncoderConfig
from attune.embeddings.packing import PackedBatch
from attune.embeddings.products import Product


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
    """Multi-head self-attention within each sequence, and its residual sum: [tokens, hidden] -> [tokens, hidden].

    Query, key and value are one fused product.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.hidden_size = config.hidden_size
        self.qkv = Product(config.hidden_size, 3 * config.hidden_size)
        self.output = Product(config.hidden_size, config.hidden_size)

    @torch.no_grad()
    def fold_scale(self) -> None:
        """Put the scores' scale, 1 / sqrt(head size), into the query's weights, once, while they are in fp32."""
        scale = (self.hidden_size // self.heads) ** -0.5
        self.qkv.weight[: self.hidden_size] *= scale
        self.qkv.bias[: self.hidden_size] *= scale

    def forward(self, hidden: Tensor, plan: TilePlan) -> Tensor:
        return self.output.plus(attend(self.qkv(hidden), plan, self.heads), hidden)


class FeedForward(nn.Module):
    """The position-wise block with the exact (erf) GELU, and its residual sum: [tokens, hidden] -> [tokens, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.intermediate = Product(config.hidden_size, config.intermediate_size)
        self.output = Product(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.output.plus(self.intermediate.gelu(hidden), hidden)


class PackedLayer(nn.Module):
    """One transformer layer: attention and feed-forward, each with its residual sum and norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = PackedSelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.output_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        attended = self.attention_norm(self.attention(hidden, batch.tiles))
        return _tensor(self.output_norm(self.feed_forward(attended)))


class PackedBert(nn.Module):
    """A BERT encoder without its pooler head: a packed batch -> [rows, hidden]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embeddings = PackedEmbeddings(config)
        self.layers = nn.ModuleList(PackedLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, batch: PackedBatch) -> Tensor:
        # The embeddings stay in fp32, where they cost next to nothing; the layers may be in bf16.
        hidden = self.embeddings(batch.token_ids, batch.positions).to(self.layers_dtype)
        for layer in self.layers:
            hidden = layer(hidden, batch)
        return _tensor(hidden)

    def prepare(self, dtype: torch.dtype, *, prepack: bool) -> Self:
        """Make the loaded fp32 layers ready to compute in `dtype`, with weights laid out for this CPU if `prepack`."""
        modules = list(self.layers.modules())
        for attention in (module for module in modules if isinstance(module, PackedSelfAttention)):
            attention.fold_scale()
        self.layers.to(dtype)
        for product in (module for module in modules if prepack and isinstance(module, Product)):
            product.prepack()
        return self

    @property
    def layers_dtype(self) -> torch.dtype:
        """The number format that the layers compute in."""
        return next(self.layers.parameters()).dtype


def _tensor(value: Tensor) -> Tensor:
    """Gives the type back that `nn.Module.__call__` loses."""
    return value
