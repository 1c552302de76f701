"""An encoder's dimensions, and in what its family differs from BERT."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RotaryAttention:
    """How one layer attends by position: rotary `theta`, and the largest distance in tokens (None: any)."""

    theta: float
    reach: int | None


@dataclass(frozen=True)
class ModernLayers:
    """What ModernBERT's layers have in place of BERT's: norms before the blocks, gated feed-forward, rotary positions.

    `attention` has an entry a layer; the others say whether products and norms have a bias.
    """

    attention: tuple[RotaryAttention, ...]
    attention_bias: bool
    feed_forward_bias: bool
    norm_bias: bool


@dataclass(frozen=True)
class EncoderConfig:
    """The dimensions of an encoder, named as in BERT's `config.json` whatever its family calls them.

    `embedding_size` may differ from `hidden_size`, which then a product bridges. `type_vocab_size` is 0 where there
    are no segments. `first_position` is the position of a sequence's first token: some families leave rows of their
    position table free. `relative_buckets` is how many groups of distances have a bias of their own in the scores,
    0 where there are none.
    """

    family: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    layer_norm_eps: float
    embedding_size: int
    type_vocab_size: int = 0
    first_position: int = 0
    relative_buckets: int = 0
    modern: ModernLayers | None = None

    @property
    def max_tokens(self) -> int:
        """The length of the longest sequence that has positions."""
        return self.max_position_embeddings - self.first_position
