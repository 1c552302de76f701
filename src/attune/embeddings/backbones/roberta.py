"""RoBERTa, XLM-RoBERTa and CamemBERT: BERT whose positions begin behind that of the padding token.

Liu et al., arXiv 1907.11692; Conneau et al., arXiv 1911.02116; Martin et al., arXiv 1911.03894.
"""

from dataclasses import replace

from attune.embeddings.backbones.bert import BERT_FUSED, BERT_LAYER, BERT_MODULES
from attune.embeddings.backbones.family import Family, read_dimensions
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields


def _read(fields: Fields) -> EncoderConfig:
    return replace(
        read_dimensions(fields, ROBERTA.name),
        type_vocab_size=fields.positive_int("type_vocab_size"),
        first_position=fields.index("pad_token_id", 1) + 1,
    )


ROBERTA = Family(
    name="roberta",
    model_types=("roberta", "xlm-roberta", "camembert"),
    classes=("RobertaModel", "RobertaFor", "XLMRobertaModel", "XLMRobertaFor", "CamembertModel", "CamembertFor"),
    read=_read,
    names=TensorNames("roberta.", "encoder.layer", BERT_MODULES, BERT_LAYER, BERT_FUSED),
)
