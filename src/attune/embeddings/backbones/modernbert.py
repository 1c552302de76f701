"""ModernBERT: norms before the blocks, gated feed-forward, rotary positions, and attention that is local in most
layers. Warner et al., arXiv 2412.13663.
"""

from attune.embeddings.backbones.family import Family
from attune.embeddings.backbones.names import TensorNames
from attune.embeddings.encoder_config import EncoderConfig, ModernLayers, RotaryAttention
from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import Fields

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_GLOBAL_THETA, _LOCAL_THETA = 160_000.0, 10_000.0

_MODULES = {
    "embeddings.word": "embeddings.tok_embeddings",
    "embeddings.norm": "embeddings.norm",
    "final_norm": "final_norm",
}
_LAYER = {
    "attention_norm": "attn_norm",
    "attention.qkv": "attn.Wqkv",
    "attention.output": "attn.Wo",
    "feed_forward.norm": "mlp_norm",
    "feed_forward.output": "mlp.Wo",
}
_SPLIT = {"mlp.Wi": ("feed_forward.intermediate", "feed_forward.gate")}


def _read(fields: Fields) -> EncoderConfig:
    fields.require("hidden_activation", "gelu")
    hidden_size = fields.positive_int("hidden_size")
    layers = fields.positive_int("num_hidden_layers")
    return EncoderConfig(
        family=MODERNBERT.name,
        vocab_size=fields.positive_int("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.positive_int("intermediate_size"),
        num_hidden_layers=layers,
        num_attention_heads=fields.positive_int("num_attention_heads"),
        max_position_embeddings=fields.positive_int("max_position_embeddings"),
        layer_norm_eps=fields.positive_float("norm_eps", 1e-5),
        embedding_size=hidden_size,
        modern=ModernLayers(
            attention=_read_attention(fields, layers),
            attention_bias=fields.boolean("attention_bias", default=False),
            feed_forward_bias=fields.boolean("mlp_bias", default=False),
            norm_bias=fields.boolean("norm_bias", default=False),
        ),
    )


def _read_attention(fields: Fields, layers: int) -> tuple[RotaryAttention, ...]:
    reach = fields.positive_int("local_attention", 128) // 2  # the field counts both sides
    kinds = {
        _GLOBAL: RotaryAttention(_read_theta(fields, _GLOBAL, "global_rope_theta", _GLOBAL_THETA), None),
        _LOCAL: RotaryAttention(_read_theta(fields, _LOCAL, "local_rope_theta", _LOCAL_THETA), reach),
    }
    return tuple(kinds[kind] for kind in _read_layer_types(fields, layers))


def _read_theta(fields: Fields, kind: str, older_field: str, default: float) -> float:
    """Newer files keep theta by the kind of layer, older ones in a field for each."""
    scaling, rope = fields.nested("rope_scaling"), fields.nested("rope_parameters").nested(kind)
    for settings in (scaling, rope):
        settings.require("rope_type", "default")
    scaling.require("type", "default")
    return rope.positive_float("rope_theta", fields.positive_float(older_field, default))


def _read_layer_types(fields: Fields, layers: int) -> list[str]:
    every = fields.positive_int("global_attn_every_n_layers", 3)
    kinds = fields.content.get("layer_types") or [_LOCAL if layer % every else _GLOBAL for layer in range(layers)]
    if not isinstance(kinds, list) or len(kinds) != layers or not all(kind in (_GLOBAL, _LOCAL) for kind in kinds):
        raise ModelError(
            f"{fields.file}: layer_types must be {layers} of {_GLOBAL} and {_LOCAL}, one for each of "
            "num_hidden_layers: restore the model's own file"
        )
    return kinds


MODERNBERT = Family(
    name="modernbert",
    model_types=("modernbert",),
    classes=("ModernBertModel", "ModernBertFor"),
    read=_read,
    names=TensorNames("model.", "layers", _MODULES, _LAYER, split=_SPLIT),
)
