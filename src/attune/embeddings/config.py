"""What a sentence-transformers directory says about its model, read and checked before any weight is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import positive_int, read_json, read_object, read_optional_object

SUPPORTED_ARCHITECTURES = ("BertModel",)
_LEGACY_POOLING_FIELDS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_PASSAGE_PROMPT_NAMES = ("document", "passage", "corpus")


class Pooling(StrEnum):
    """How a sequence's token vectors become one vector."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True)
class EncoderConfig:
    """The dimensions of a BERT encoder, named as in `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


@dataclass(frozen=True)
class ModelConfig:
    """A whole model: encoder, pooling, whether vectors are normalised, and how text is prepared.

    `max_tokens` counts special tokens. The prompts are put before each text of their role.
    """

    encoder: EncoderConfig
    pooling: Pooling
    normalize: bool
    max_tokens: int
    lowercase: bool
    query_prompt: str
    passage_prompt: str


def read_model_config(directory: Path) -> ModelConfig:
    """Read the configuration files of a sentence-transformers directory.

    Raises `ModelError` for a file that is missing or malformed, or that asks for what is not supported.
    """
    encoder = _read_encoder(directory / "config.json")
    pooling, normalize = _read_modules(directory)
    sentence = read_optional_object(directory / "sentence_bert_config.json")
    prompts = _read_prompts(directory / "config_sentence_transformers.json")
    return ModelConfig(
        encoder=encoder,
        pooling=pooling,
        normalize=normalize,
        max_tokens=_read_max_tokens(directory, encoder.max_position_embeddings),
        lowercase=bool(sentence.get("do_lower_case", False)),
        query_prompt=_first_prompt(prompts, ("query",)),
        passage_prompt=_first_prompt(prompts, _PASSAGE_PROMPT_NAMES),
    )


def _read_encoder(file: Path) -> EncoderConfig:
    content = read_object(file)
    _require_supported(content, file)
    config = EncoderConfig(
        vocab_size=positive_int(content, "vocab_size", file),
        hidden_size=positive_int(content, "hidden_size", file),
        intermediate_size=positive_int(content, "intermediate_size", file),
        num_hidden_layers=positive_int(content, "num_hidden_layers", file),
        num_attention_heads=positive_int(content, "num_attention_heads", file),
        max_position_embeddings=positive_int(content, "max_position_embeddings", file),
        type_vocab_size=positive_int(content, "type_vocab_size", file),
        layer_norm_eps=_positive_float(content.get("layer_norm_eps", 1e-12), file),
    )
    if config.hidden_size % config.num_attention_heads:
        raise ModelError(
            f"{file}: hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}: restore the model's own file"
        )
    return config


def _require_supported(content: Mapping[str, Any], file: Path) -> None:
    architectures = content.get("architectures") or []
    if not any(name in SUPPORTED_ARCHITECTURES for name in architectures):
        raise ModelError(
            f"{file}: architectures {architectures} are not supported: "
            f"use a model of architecture {' or '.join(SUPPORTED_ARCHITECTURES)}"
        )
    for field, supported in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if content.get(field, supported) != supported:
            raise ModelError(f"{file}: {field} {content[field]!r} is not supported: use a model with {supported!r}")


def _positive_float(value: Any, file: Path) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise ModelError(
            f"{file}: layer_norm_eps is {value!r}, expected a positive number: restore the model's own file"
        )
    return float(value)


def _read_modules(directory: Path) -> tuple[Pooling, bool]:
    file = directory / "modules.json"
    modules = read_json(file)
    try:
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        paths = [str(module["path"]) for module in modules]
    except (TypeError, KeyError) as error:
        raise ModelError(f"{file}: each module needs a type and a path: restore the model's own file") from error
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelError(
            f"{file}: modules {kinds} are not supported: use Transformer, Pooling and optionally Normalize"
        )
    return _read_pooling(directory / paths[1] / "config.json"), len(kinds) == 3


def _read_pooling(file: Path) -> Pooling:
    content = read_object(file)
    if not content.get("include_prompt", True):
        raise ModelError(f"{file}: include_prompt false is not supported: use a model that pools its prompt too")
    mode = content.get("pooling_mode", _legacy_pooling_modes(content))
    modes = [mode] if isinstance(mode, str) else mode
    if modes not in ([Pooling.MEAN], [Pooling.CLS]):
        raise ModelError(f"{file}: pooling mode {mode} is not supported: use a model that pools by mean or by cls")
    return Pooling(modes[0])


def _legacy_pooling_modes(content: Mapping[str, Any]) -> list[str]:
    """Modes as sentence-transformers wrote them before 6.0: one boolean field for each."""
    chosen = [field for field, on in content.items() if field.startswith("pooling_mode_") and on is True]
    return [_LEGACY_POOLING_FIELDS.get(field, field) for field in chosen] or [Pooling.MEAN]


def _read_max_tokens(directory: Path, positions: int) -> int:
    """The sequence limit: sentence-transformers keeps it in one file or the other, depending on its version."""
    for name, field in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        content = read_optional_object(directory / name)
        limit = content.get(field)
        # Tokenizers that know no limit write 1e30.
        if isinstance(limit, int | float) and limit > positions:
            return positions
        if limit is not None:
            return positive_int(content, field, directory / name)
    return positions


def _read_prompts(file: Path) -> dict[str, str]:
    """The prompts by name; the empty name holds the default one."""
    content = read_optional_object(file)
    prompts = content.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise ModelError(f"{file}: prompts must map names to texts: restore the model's own file")
    return {"": prompts.get(content.get("default_prompt_name"), ""), **prompts}


def _first_prompt(prompts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((prompts[name] for name in names if name in prompts), prompts[""])
