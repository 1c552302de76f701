"""The layers of a BERT encoder over packed tokens.

The tokens of all sequences lie one after the other in a matrix of shape [tokens, hidden]; there is no padding. Only
attention sees sequences, in the tiles of `attention.py`. Formulas: Devlin et
al., "BERT" (arXiv 1810.04805), which takes its layer from Vaswani et al., "Attention Is All You Need" (arXiv
1706.03762), sections 3.1-3.3, with the norm after each residual sum.
"""

import torch
from torch import Tensor, nn

from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.experts import ExpertBank
from attune.embeddings.packing import PackedBatch
from attune.embeddings.positions import AttentionPattern
from attune.embeddings.products import Product
from attune.embeddings.table import Table


class PackedEmbeddings(nn.Module):
    """Word, position and segment vectors, those that the family has, summed and normalised: [tokens] -> [tokens,
    hidden].
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size, modern = config.embedding_size, config.modern
        self.word = Table(config.vocab_size, size)
        self.position = Table(config.max_position_embeddings, size) if modern is None else None
        self.segment = Table(config.type_vocab_size, size) if config.type_vocab_size else None
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps, bias=modern is None or modern.norm_bias)
        self.projection = Product(size, config.hidden_size) if size != config.hidden_size else None
        self._first_position = config.first_position

    def forward(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        summed = self.word(token_ids)
        if self.position is not None:
            summed = summed + self.position(positions + self._first_position)
        if self.segment is not None:
            summed = summed + self.segment.weight[0]  # a text alone is always the first segment
        normed = self.norm(summed)
        return _tensor(normed if self.projection is None else self.projection(normed))


class PackedSelfAttention(nn.Module):
    """Multi-head self-attention within each sequence, and its residual sum: [tokens, hidden] -> [tokens, hidden].

    Query, key and value are one fused product.
    """

    def __init__(self, config: EncoderConfig, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.hidden_size = config.hidden_size
        self.qkv = Product(config.hidden_size, 3 * config.hidden_size, bias=bias)
        self.output = Product(config.hidden_size, config.hidden_size, bias=bias)

    @torch.no_grad()
    def fold_scale(self) -> None:
        """Put the scores' scale, 1 / sqrt(head size), into the query's weights, once, while they are in fp32."""
        scale = (self.hidden_size // self.heads) ** -0.5
        self.qkv.weight[: self.hidden_size] *= scale
        if self.qkv.bias is not None:
            self.qkv.bias[: self.hidden_size] *= scale

    def unfolded(self, qkv: Tensor) -> Tensor:
        """The fused weight or bias without the scale."""
        unfolded = qkv.clone()
        unfolded[: self.hidden_size] *= (self.hidden_size // self.heads) ** 0.5
        return unfolded

    def forward(self, inputs: Tensor, residual: Tensor, pattern: AttentionPattern) -> Tensor:
        qkv = self.qkv(inputs)
        if pattern.rotation is not None:
            qkv = pattern.rotation.turn(qkv, self.heads)
        return self.output.plus(pattern.plan.attend(qkv, self.heads), residual)


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
        self.experts = ExpertBank()
        self.output_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, batch: PackedBatch, pattern: AttentionPattern) -> Tensor:
        attended = self.attention_norm(self.attention(hidden, hidden, pattern))
        return _tensor(self.output_norm(self.experts(self.feed_forward, attended, batch)))


def _tensor(value: Tensor) -> Tensor:
    """Gives the type back that `nn.Module.__call__` loses."""
    return value
