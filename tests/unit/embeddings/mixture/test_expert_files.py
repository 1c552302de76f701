from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.embeddings.mixture.material import add_expert, backbone, copied, ffn_tensors, lora_tensors

from attune.embeddings.domains import ExpertKind
from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.expert_files import DOMAIN_TOKEN, read_expert


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def test_blocks_are_read_as_they_were_written(model):
    tensors = ffn_tensors(model, 1)
    expert = read_expert(model, add_expert(model, "law", tensors), backbone(model))
    torch.testing.assert_close(expert.token, tensors[DOMAIN_TOKEN])
    for layer, block in enumerate(expert.blocks):
        for name, parameter in block.named_parameters():
            torch.testing.assert_close(parameter, tensors[f"layers.{layer}.{name}"])
    assert expert.memory_bytes(4) == 4 * sum(tensor.numel() for tensor in tensors.values())


def test_layers_without_tensors_keep_the_backbones_block(model):
    expert = read_expert(model, add_expert(model, "law", ffn_tensors(model, 1, layers=(1,))), backbone(model))
    assert [block is None for block in expert.blocks] == [True, False]


def test_factors_are_added_to_the_backbones_weights(model):
    tensors, general = lora_tensors(model, 1), backbone(model)
    expert = read_expert(model, add_expert(model, "law", tensors, ExpertKind.LORA), general)
    hidden = torch.randn(5, 32)
    block, own = expert.blocks[1], general.layers[1].feed_forward
    added = {
        name: tensors[f"layers.1.{name}.up"] @ tensors[f"layers.1.{name}.down"] for name in ("intermediate", "output")
    }
    inner = torch.nn.functional.gelu(own.intermediate(hidden) + hidden @ added["intermediate"].T)
    torch.testing.assert_close(block(hidden), hidden + own.output(inner) + inner @ added["output"].T)


def without(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {each: tensor for each, tensor in tensors.items() if each != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: without(tensors, "layers.1.output.bias"), "layers.1.output.bias is missing"),
        (
            lambda tensors: tensors | {"layers.1.gate.weight": torch.ones(2)},
            "layers.1.gate.weight is missing,",
        ),
        (
            lambda tensors: tensors | {"layers.0.output.bias": torch.ones(2)},
            "layers.0.output.bias is missing,",
        ),
        (lambda tensors: tensors | {"layers.2.output.bias": torch.ones(2)}, "is of no layer of this backbone"),
        (lambda tensors: tensors | {"head.weight": torch.ones(2)}, "tensor head.weight is of no layer"),
        (lambda tensors: tensors | {DOMAIN_TOKEN: torch.ones(7)}, r"domain_token has shape \[7\], expected \[32\]"),
        (lambda tensors: tensors | {DOMAIN_TOKEN: torch.full((32,), torch.nan)}, "domain_token holds NaN or infinity"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(model, change, message):
    entry = add_expert(model, "law", change(ffn_tensors(model, 1)))
    with pytest.raises(ModelError, match=message):
        read_expert(model, entry, backbone(model))


def test_a_factor_alone_is_refused(model):
    tensors = without(lora_tensors(model, 1), "layers.0.output.up")
    with pytest.raises(ModelError, match=r"layers\.0\.output has no two factors that fit its weight"):
        read_expert(model, add_expert(model, "law", tensors, ExpertKind.LORA), backbone(model))


def test_a_changed_file_is_refused(model):
    entry = add_expert(model, "law", ffn_tensors(model, 1))
    content = bytearray((model / entry.file).read_bytes())
    content[-1] ^= 1
    (model / entry.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"has sha256 .*, the manifest says"):
        read_expert(model, entry, backbone(model))


def test_a_missing_file_is_refused(model):
    entry = replace(add_expert(model, "law", ffn_tensors(model, 1)), file="experts/gone.safetensors")
    with pytest.raises(ModelError, match=r"gone\.safetensors cannot be read"):
        read_expert(model, entry, backbone(model))
