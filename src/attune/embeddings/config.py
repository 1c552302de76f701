"""What a sentence-transformers directory says about its model, read and checked before any weight is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from attune.embeddings.backbones.registry import read_encoder_config
from attune.embeddings.encoder_config import EncoderConfig
from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import read_fields, read_json, read_object, read_optional_fields
from attune.embeddings.tokenizer import TextTokenizer

_LEGACY_POOLING_FIELDS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_WITH_EXPERTS = "ExpertTransformer"  # our own module, in directories that have experts
_HEADS = "ExpertHeads"
_PASSAGE_PROMPT_NAMES = ("document", "passage", "corpus")


class Pooling(StrEnum):
    """How a sequence's token vectors become one vector."""

    CLS = "cls"
    MAX = "max"
    MEAN = "mean"
    MEAN_SQRT_LENGTH = "mean_sqrt_len_tokens"
    WEIGHTED_MEAN = "weightedmean"
    LAST = "lasttoken"


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
    encoder = read_encoder_config(read_fields(directory / "config.json"))
    pooling, normalize = _read_modules(directory)
    sentence = read_optional_fields(directory / "sentence_bert_config.json")
    prompts = _read_prompts(directory / "config_sentence_transformers.json")
    return ModelConfig(
        encoder=encoder,
        pooling=pooling,
        normalize=normalize,
        max_tokens=_read_max_tokens(directory, encoder.max_tokens),
        lowercase=bool(sentence.content.get("do_lower_case", False)),
        query_prompt=_first_prompt(prompts, ("query",)),
        passage_prompt=_first_prompt(prompts, _PASSAGE_PROMPT_NAMES),
    )


def read_tokenizer(directory: Path, config: ModelConfig) -> TextTokenizer:
    """The tokenizer of a model directory. Raises `ModelError`."""
    return TextTokenizer.load(
        directory / "tokenizer.json",
        vocab_size=config.encoder.vocab_size,
        max_tokens=config.max_tokens,
        lowercase=config.lowercase,
    )


def _read_modules(directory: Path) -> tuple[Pooling, bool]:
    file = directory / "modules.json"
    modules = read_json(file)
    try:
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        paths = [str(module["path"]) for module in modules]
    except (TypeError, KeyError) as error:
        raise ModelError(f"{file}: each module needs a type and a path: restore the model's own file") from error
    if kinds[:1] == [_WITH_EXPERTS]:
        kinds[0] = "Transformer"
        kinds = [kind for kind in kinds if kind != _HEADS]  # which are read with the experts
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
    if not isinstance(modes, list) or len(modes) != 1 or modes[0] not in list(Pooling):
        raise ModelError(f"{file}: pooling mode {mode} is not supported: use a model with one of {', '.join(Pooling)}")
    return Pooling(modes[0])


def _legacy_pooling_modes(content: Mapping[str, Any]) -> list[str]:
    """Modes as sentence-transformers wrote them before 6.0: one boolean field for each."""
    chosen = [field for field, on in content.items() if field.startswith("pooling_mode_") and on is True]
    return [_LEGACY_POOLING_FIELDS.get(field, field) for field in chosen] or [Pooling.MEAN]


def _read_max_tokens(directory: Path, positions: int) -> int:
    """The sequence limit: sentence-transformers keeps it in one file or the other, depending on its version."""
    for name, field in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        fields = read_optional_fields(directory / name)
        limit = fields.content.get(field)
        # Tokenizers that know no limit write 1e30.
        if isinstance(limit, int | float) and limit > positions:
            return positions
        if limit is not None:
            return fields.positive_int(field)
    return positions


def _read_prompts(file: Path) -> dict[str, str]:
    """The prompts by name; the empty name holds the default one."""
    content = read_optional_fields(file).content
    prompts = content.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise ModelError(f"{file}: prompts must map names to texts: restore the model's own file")
    return {"": prompts.get(content.get("default_prompt_name"), ""), **prompts}


def _first_prompt(prompts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((prompts[name] for name in names if name in prompts), prompts[""])
