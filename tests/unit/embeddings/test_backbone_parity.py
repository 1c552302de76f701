"""Every family of backbones against sentence-transformers: small ones with random weights, written by transformers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule
from sentence_transformers.sentence_transformer.modules import Transformer
from tests.unit.embeddings.conftest import VOCABULARY, tiny_tokenizer
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from attune.embeddings import precision
from attune.embeddings.config import Pooling
from attune.embeddings.embedder import Embedder
from attune.embeddings.items import Embedded, EmbedItem
from attune.embeddings.quantized_products import can_quantize

SIZES = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
COMMON = {**SIZES, "vocab_size": len(VOCABULARY), "max_position_embeddings": 200, "pad_token_id": 0}
FAMILIES: dict[str, tuple[type[PretrainedConfig], type[PreTrainedModel], dict[str, object]]] = {
    "bert": (BertConfig, BertModel, COMMON),
    "roberta": (RobertaConfig, RobertaModel, COMMON | {"pad_token_id": 1, "type_vocab_size": 1}),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, COMMON | {"pad_token_id": 1, "type_vocab_size": 1}),
    "mpnet": (MPNetConfig, MPNetModel, COMMON | {"pad_token_id": 1}),
    "distilbert": (
        DistilBertConfig,
        DistilBertModel,
        {"vocab_size": len(VOCABULARY), "max_position_embeddings": 200, "dim": 48, "hidden_dim": 80, "n_layers": 3}
        | {"n_heads": 4, "pad_token_id": 0},
    ),
    "electra": (ElectraConfig, ElectraModel, COMMON | {"embedding_size": 24}),
    "modernbert": (
        ModernBertConfig,
        ModernBertModel,
        COMMON
        | {"num_hidden_layers": 4, "global_attn_every_n_layers": 3, "local_attention": 16}
        | {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
    ),
}
WORDS = ("the cat sat on the mat while some old dogs ran fast under green trees near water " * 12).split()
TEXTS = [" ".join(WORDS[:count]) for count in (1, 2, 3, 5, 7, 8, 15, 16, 31, 40, 63, 90, 130, 180)]


def write_backbone(directory: Path, family: str, **changes: object) -> Path:
    """The Transformer module of a random model, with weights large enough that every part of it matters."""
    kind, model, settings = FAMILIES[family]
    torch.manual_seed(7)
    backbone = model(kind(**(settings | changes)))
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            parameter.add_(torch.randn(parameter.shape) * (0.1 if "norm" in name.lower() else 0.15))
    backbone.save_pretrained(directory)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = tiny_tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **special)
    fast.save_pretrained(directory)
    return directory


def published(directory: Path, saved: Path, mode: str = "mean") -> SentenceTransformer:
    transformer = Transformer(str(directory), max_seq_length=190)
    model = SentenceTransformer(modules=[transformer, PoolingModule(48, mode)], device="cpu")
    model.save(str(saved))
    return model


def ours(saved: Path, setting: str = "fp32") -> NDArray[np.float32]:
    results = Embedder.load(str(saved), setting).embed([EmbedItem(text) for text in TEXTS]).results
    return np.stack([result.vector for result in results if isinstance(result, Embedded)])


def theirs(model: SentenceTransformer) -> NDArray[np.float32]:
    return np.asarray(model.encode(TEXTS, show_progress_bar=False))


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_the_vectors_of_sentence_transformers(tmp_path, family):
    reference = theirs(published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved"))
    found = ours(tmp_path / "saved")
    np.testing.assert_allclose(found, reference, atol=2e-4)
    assert cosines(found, reference).min() >= 0.9999


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_in_bf16_stays_close(tmp_path, family):
    published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved")
    assert cosines(ours(tmp_path / "saved", "bf16"), ours(tmp_path / "saved")).min() >= 0.99


@pytest.mark.skipif(
    not (can_quantize() and precision.vnni_features()), reason="this CPU, or this build of torch, has no int8"
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_in_int8_stays_close(tmp_path, family):
    published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved")
    assert cosines(ours(tmp_path / "saved", "int8"), ours(tmp_path / "saved")).min() >= 0.98


@pytest.mark.parametrize("mode", Pooling)
def test_a_pooling_has_the_vectors_of_sentence_transformers(tmp_path, mode):
    reference = theirs(published(write_backbone(tmp_path / "backbone", "bert"), tmp_path / "saved", str(mode)))
    np.testing.assert_allclose(ours(tmp_path / "saved"), reference, atol=3e-4)


def test_the_reach_of_modernberts_local_layers_matters(tmp_path):
    """The parity above would prove nothing about it if its texts were too short."""
    near = published(write_backbone(tmp_path / "near", "modernbert"), tmp_path / "near_saved")
    far = published(write_backbone(tmp_path / "far", "modernbert", local_attention=512), tmp_path / "far_saved")
    assert cosines(theirs(near), theirs(far)).min() < 0.9999


def test_mpnets_bias_by_distance_matters(tmp_path):
    published(write_backbone(tmp_path / "backbone", "mpnet"), tmp_path / "saved")
    before = ours(tmp_path / "saved")
    file = tmp_path / "saved" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("relative_attention_bias.weight"))
    save_file(tensors | {name: torch.zeros_like(tensors[name])}, file)
    assert cosines(before, ours(tmp_path / "saved")).min() < 0.999


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert"])
def test_weights_in_several_files_are_put_together(tmp_path, family):
    published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved")
    whole = ours(tmp_path / "saved")
    file = tmp_path / "saved" / "model.safetensors"
    tensors = sorted(load_file(file).items())
    file.unlink()
    weight_map = {}
    for part, held in enumerate((tensors[::2], tensors[1::2])):
        shard = f"model-0000{part + 1}-of-00002.safetensors"
        save_file(dict(held), file.with_name(shard))
        weight_map |= dict.fromkeys(dict(held), shard)
    file.with_name("model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_array_equal(ours(tmp_path / "saved"), whole)
