"""Models for these tests: the packaged one, and tiny random ones written to a temporary directory."""

import asyncio
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from attune.embeddings.embedder import Embedder
from attune.embeddings.weights import resolve_model

HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS = 32, 2, 4, 64, 40
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *["the", "cat", "sat", "on", "mat", "while", "dogs", "ran", "fast", "under", "some", "old", "green", "trees"],
    *["near", "water"],
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
]

WriteModel = Callable[..., Path]


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until the condition holds."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the condition never held")


def tiny_config() -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def tiny_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.LayerNorm.weight": 1 + normal(HIDDEN), f"{name}.LayerNorm.bias": normal(HIDDEN)}

    def linear(name: str, rows: int, columns: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": normal(rows, columns), f"{name}.bias": normal(rows)}

    weights = {
        "embeddings.word_embeddings.weight": 4 * normal(len(VOCABULARY), HIDDEN),
        "embeddings.position_embeddings.weight": normal(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
        **norm("embeddings"),
    }
    for index in range(LAYERS):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            weights |= linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        weights |= linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN) | norm(f"{layer}.attention.output")
        weights |= linear(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        weights |= linear(f"{layer}.output.dense", HIDDEN, INTERMEDIATE) | norm(f"{layer}.output")
    return weights | linear("pooler.dense", HIDDEN, HIDDEN)


def tiny_tokenizer(vocabulary: list[str] = VOCABULARY) -> Tokenizer:
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # Stored as many published models store it; it must have no effect.
    tokenizer.enable_padding(length=12)
    tokenizer.enable_truncation(5)
    return tokenizer


def write_json(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def write_tiny_model(
    directory: Path,
    *,
    config: dict[str, Any] | None = None,
    weights: dict[str, torch.Tensor] | None = None,
    pooling: dict[str, Any] | None = None,
    normalize: bool = True,
    max_tokens: int = 24,
) -> Path:
    """A complete sentence-transformers directory. `config` and `weights` replace single entries of the defaults."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    write_json(directory / "config.json", tiny_config() | (config or {}))
    write_json(directory / "modules.json", modules if normalize else modules[:2])
    pooling_config = {"word_embedding_dimension": HIDDEN, **(pooling or {"pooling_mode_mean_tokens": True})}
    write_json(directory / "1_Pooling" / "config.json", pooling_config)
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write_json(directory / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": 512})
    tiny_tokenizer().save(str(directory / "tokenizer.json"))
    save_file(tiny_weights() | (weights or {}), directory / "model.safetensors")
    return directory


@pytest.fixture
def write_model() -> WriteModel:
    """Writes a tiny model to a directory: see `write_tiny_model`."""
    return write_tiny_model


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The directory of a valid tiny model."""
    return write_tiny_model(tmp_path / "tiny")


@pytest.fixture(scope="session")
def shared_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a valid tiny model that no test changes."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def tiny_embedder(shared_tiny_model: Path) -> Embedder:
    """A tiny model, loaded in fp32."""
    return Embedder.load(str(shared_tiny_model), "fp32")


@pytest.fixture(scope="session")
def packaged_model() -> Path:
    """The packaged all-MiniLM-L6-v2."""
    return resolve_model(None)


@pytest.fixture(scope="session")
def packaged_embedder(packaged_model: Path) -> Embedder:
    """The packaged model in fp32."""
    return Embedder.load(str(packaged_model), "fp32")
