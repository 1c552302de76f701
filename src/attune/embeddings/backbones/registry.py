"""Which family a model belongs to."""

from attune.embeddings.backbones.bert import BERT
from attune.embeddings.backbones.distilbert import DISTILBERT
from attune.embeddings.backbones.electra import ELECTRA
from attune.embeddings.backbones.family import Family
from attune.embeddings.backbones.modernbert import MODERNBERT
from attune.embeddings.backbones.mpnet import MPNET
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.backbones.roberta import ROBERTA
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import Fields

FAMILIES = (BERT, ROBERTA, MPNET, DISTILBERT, ELECTRA, MODERNBERT)


def read_encoder_config(fields: Fields) -> EncoderConfig:
    """The encoder that a `config.json` describes.

    Raises `ModelError` for a family that is not supported, and for a field that its family does not take.
    """
    config = _family_of(fields).read(fields)
    if config.hidden_size % config.num_attention_heads:
        raise ModelError(
            f"{fields.file}: hidden size {config.hidden_size} is not a multiple of the number of attention heads, "
            f"{config.num_attention_heads}: restore the model's own file"
        )
    if config.max_tokens < 1:
        raise ModelError(
            f"{fields.file}: max_position_embeddings {config.max_position_embeddings} leaves no position, as the first "
            f"is {config.first_position}: restore the model's own file"
        )
    return config


def tensor_names(family: str) -> TensorNames:
    """What the family's checkpoints call their tensors."""
    return next(known.names for known in FAMILIES if known.name == family)


def _family_of(fields: Fields) -> Family:
    """By `model_type`, as transformers chooses; `architectures` then tells models with code of their own apart."""
    model_type = fields.content.get("model_type")
    family = next((family for family in FAMILIES if model_type in family.model_types), None)
    if family is None:
        supported = ", ".join(name for family in FAMILIES for name in family.model_types)
        raise ModelError(f"{fields.file}: model_type {model_type!r} is not supported: use a model of type {supported}")
    architectures = fields.content.get("architectures") or []
    known = isinstance(architectures, list) and any(str(name).startswith(family.classes) for name in architectures)
    if architectures and not known:
        raise ModelError(
            f"{fields.file}: architectures {architectures!r} are not supported for model_type {model_type!r}: "
            f"use a model whose architecture begins with {' or '.join(family.classes)}"
        )
    return family
