import pytest
import torch
from safetensors.torch import load_file, save_file

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.errors import ModelError
from attune.embeddings.packed_encoder import PackedEncoder

QUERY = "encoder.layer.1.attention.self.query.weight"
FEED_FORWARD = "encoder.layer.0.intermediate.dense.bias"


def load(directory) -> PackedEncoder:
    return load_encoder(directory, read_model_config(directory).encoder)


def rewrite(directory, change) -> None:
    file = directory / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_every_parameter_is_loaded_in_fp32(tiny_model):
    model = load(tiny_model)
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_query_key_and_value_are_fused_in_this_order(tiny_model):
    tensors = load_file(tiny_model / "model.safetensors")
    fused = load(tiny_model).state_dict()["layers.1.attention.qkv.weight"]
    for part, name in zip(fused.chunk(3), ("query", "key", "value"), strict=True):
        assert torch.equal(part, tensors[f"encoder.layer.1.attention.self.{name}.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_stored_in_half_precision_are_widened(tiny_model, dtype):
    rewrite(tiny_model, lambda tensors: tensors.update({QUERY: tensors[QUERY].to(dtype)}))
    assert load(tiny_model).state_dict()["layers.1.attention.qkv.weight"].dtype == torch.float32


@pytest.mark.parametrize("name", [QUERY, FEED_FORWARD, "embeddings.word_embeddings.weight"])
def test_a_missing_tensor_is_named(tiny_model, name):
    rewrite(tiny_model, lambda tensors: tensors.pop(name))
    with pytest.raises(ModelError, match=rf"model\.safetensors has no tensor {name}"):
        load(tiny_model)


@pytest.mark.parametrize("name", [QUERY, FEED_FORWARD])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_tensor_that_is_not_finite_is_named(tiny_model, name, value):
    def damage(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name].view(-1)[-1] = value

    rewrite(tiny_model, damage)
    with pytest.raises(ModelError, match=f"tensor {name} holds NaN or infinity"):
        load(tiny_model)


@pytest.mark.parametrize(("name", "shape"), [(QUERY, (32, 31)), (FEED_FORWARD, (65,)), (FEED_FORWARD, (64, 1))])
def test_a_tensor_of_another_shape_is_named_with_both_shapes(tiny_model, name, shape):
    rewrite(tiny_model, lambda tensors: tensors.update({name: torch.zeros(shape)}))
    with pytest.raises(ModelError, match=rf"tensor {name} has shape \[.*\], config\.json says \["):
        load(tiny_model)


def test_quantised_weights_are_refused(tiny_model):
    rewrite(tiny_model, lambda tensors: tensors.update({QUERY: torch.zeros(32, 32, dtype=torch.int8)}))
    with pytest.raises(ModelError, match=rf"tensor {QUERY} is torch\.int8, not floating point"):
        load(tiny_model)


@pytest.mark.parametrize("kept", [0, 4, 200, 5000])
def test_a_truncated_file_is_refused(tiny_model, kept):
    file = tiny_model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a readable safetensors file"):
        load(tiny_model)


def test_a_config_with_more_layers_than_weights_is_refused(write_model, tmp_path):
    with pytest.raises(ModelError, match=r"has no tensor encoder\.layer\.2\."):
        load(write_model(tmp_path, config={"num_hidden_layers": 3}))
