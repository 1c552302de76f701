"""ELECTRA's discriminator: BERT whose embeddings may be narrower than its layers. Clark et al., arXiv 2003.10555."""

from dataclasses import replace

from attune.embeddings.backbones.bert import BERT_FUSED, BERT_LAYER, BERT_MODULES
from attune.embeddings.backbones.family import Family, read_dimensions
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields

_MODULES = {**BERT_MODULES, "embeddings.projection": "embeddings_project"}


def _read(fields: Fields) -> EncoderConfig:
    return replace(
        read_dimensions(fields, ELECTRA.name),
        type_vocab_size=fields.positive_int("type_vocab_size"),
        embedding_size=fields.positive_int("embedding_size"),
    )


ELECTRA = Family(
    name="electra",
    model_types=("electra",),
    classes=("ElectraModel", "ElectraFor"),
    read=_read,
    names=TensorNames("electra.", "encoder.layer", _MODULES, BERT_LAYER, BERT_FUSED),
)
