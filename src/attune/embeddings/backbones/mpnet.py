"""MPNet: BERT without segments, with a bias by distance in every layer's scores. Song et al., arXiv 2004.09297."""

from dataclasses import replace

from attune.embeddings.backbones.bert import BERT_LAYER, BERT_MODULES
from attune.embeddings.backbones.family import Family, read_dimensions
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields

_BUCKETS = 32
_PADDING = 1  # the published implementation fixes it, whatever pad_token_id says

_MODULES = {**BERT_MODULES, "positions.bias": "encoder.relative_attention_bias"}
_LAYER = {**BERT_LAYER, "attention.output": "attention.attn.o", "attention_norm": "attention.LayerNorm"}
_FUSED = {"attention.qkv": ("attention.attn.q", "attention.attn.k", "attention.attn.v")}


def _read(fields: Fields) -> EncoderConfig:
    fields.require("relative_attention_num_buckets", _BUCKETS)
    return replace(read_dimensions(fields, MPNET.name), first_position=_PADDING + 1, relative_buckets=_BUCKETS)


MPNET = Family(
    name="mpnet",
    model_types=("mpnet",),
    classes=("MPNetModel", "MPNetFor"),
    read=_read,
    names=TensorNames("mpnet.", "encoder.layer", _MODULES, _LAYER, _FUSED),
)
