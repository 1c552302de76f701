"""A family of encoders, and what the `config.json` of most of them have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields


@dataclass(frozen=True)
class Family:
    """How the models of some `model_types` are read. `classes` are what the names of their architectures begin with.

    `read` raises `ModelError` for a field with a value that is impossible or not supported.
    """

    name: str
    model_types: tuple[str, ...]
    classes: tuple[str, ...]
    read: Callable[[Fields], EncoderConfig]
    names: TensorNames


def read_dimensions(fields: Fields, family: str) -> EncoderConfig:
    """The fields that BERT and its closest relatives share. Raises `ModelError`."""
    fields.require("hidden_act", "gelu")
    fields.require("position_embedding_type", "absolute")
    fields.require("is_decoder", supported=False)
    hidden_size = fields.positive_int("hidden_size")
    return EncoderConfig(
        family=family,
        vocab_size=fields.positive_int("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.positive_int("intermediate_size"),
        num_hidden_layers=fields.positive_int("num_hidden_layers"),
        num_attention_heads=fields.positive_int("num_attention_heads"),
        max_position_embeddings=fields.positive_int("max_position_embeddings"),
        layer_norm_eps=fields.positive_float("layer_norm_eps", 1e-12),
        embedding_size=hidden_size,
    )
