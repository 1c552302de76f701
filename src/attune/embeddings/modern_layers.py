"""ModernBERT's layer over packed tokens: Warner et al., arXiv 2412.13663.

Each block normalises its input, and adds its output to what it was given. The gated feed-forward is GeGLU: Shazeer,
"GLU Variants Improve Transformer" (arXiv 2002.05202), equation 6.
"""

from torch import Tensor, nn

from attune.embeddings.encoder_config import EncoderConfig, ModernLayers
from attune.embeddings.experts import ExpertBank
from attune.embeddings.layers import PackedSelfAttention
from attune.embeddings.packing import PackedBatch
from attune.embeddings.positions import AttentionPattern
from attune.embeddings.products import Product


class GatedFeedForward(nn.Module):
    """x -> x + (gelu(W n) * V n) U, where n is x normalised: [tokens, hidden] -> [tokens, hidden]."""

    def __init__(self, config: EncoderConfig, modern: ModernLayers) -> None:
        super().__init__()
        hidden, inner, bias = config.hidden_size, config.intermediate_size, modern.feed_forward_bias
        self.norm = _norm(config, modern)
        self.intermediate = Product(hidden, inner, bias=bias)
        self.gate = Product(hidden, inner, bias=bias)
        self.output = Product(inner, hidden, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        normed = self.norm(hidden)
        return self.output.plus(self.gate.times(normed, self.intermediate.gelu(normed)), hidden)


class ModernLayer(nn.Module):
    """One transformer layer: attention and feed-forward. The first layer's input is normalised already."""

    def __init__(self, config: EncoderConfig, modern: ModernLayers, index: int) -> None:
        super().__init__()
        self.attention_norm = _norm(config, modern) if index else nn.Identity()
        self.attention = PackedSelfAttention(config, bias=modern.attention_bias)
        self.feed_forward = GatedFeedForward(config, modern)
        self.experts = ExpertBank()

    def forward(self, hidden: Tensor, batch: PackedBatch, pattern: AttentionPattern) -> Tensor:
        attended = self.attention(self.attention_norm(hidden), hidden, pattern)
        result: Tensor = self.experts(self.feed_forward, attended, batch)
        return result


def _norm(config: EncoderConfig, modern: ModernLayers) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps, bias=modern.norm_bias)
