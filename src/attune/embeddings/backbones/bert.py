"""BERT, and MiniLM, which is BERT in another size: Devlin et al., arXiv 1810.04805."""

from dataclasses import replace

from attune.embeddings.backbones.family import Family, read_dimensions
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields

BERT_MODULES = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.segment": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
}
BERT_LAYER = {
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.intermediate": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "output_norm": "output.LayerNorm",
}
BERT_FUSED = {"attention.qkv": ("attention.self.query", "attention.self.key", "attention.self.value")}


def _read(fields: Fields) -> EncoderConfig:
    return replace(read_dimensions(fields, BERT.name), type_vocab_size=fields.positive_int("type_vocab_size"))


BERT = Family(
    name="bert",
    model_types=("bert",),
    classes=("BertModel", "BertFor"),
    read=_read,
    names=TensorNames("bert.", "encoder.layer", BERT_MODULES, BERT_LAYER, BERT_FUSED),
)
