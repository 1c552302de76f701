"""DistilBERT: BERT without segments, under other names. Sanh et al., arXiv 1910.01108."""

from attune.embeddings.backbones.bert import BERT_MODULES
from attune.embeddings.backbones.family import Family
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.jsonfile import Fields

_LAYER = {
    "attention.output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "feed_forward.intermediate": "ffn.lin1",
    "feed_forward.output": "ffn.lin2",
    "output_norm": "output_layer_norm",
}
_FUSED = {"attention.qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin")}


def _read(fields: Fields) -> EncoderConfig:
    fields.require("activation", "gelu")
    hidden_size = fields.positive_int("dim")
    return EncoderConfig(
        family=DISTILBERT.name,
        vocab_size=fields.positive_int("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.positive_int("hidden_dim"),
        num_hidden_layers=fields.positive_int("n_layers"),
        num_attention_heads=fields.positive_int("n_heads"),
        max_position_embeddings=fields.positive_int("max_position_embeddings"),
        layer_norm_eps=1e-12,  # the published implementation fixes it
        embedding_size=hidden_size,
    )


DISTILBERT = Family(
    name="distilbert",
    model_types=("distilbert",),
    classes=("DistilBertModel", "DistilBertFor"),
    read=_read,
    names=TensorNames("distilbert.", "transformer.layer", BERT_MODULES, _LAYER, _FUSED),
)
