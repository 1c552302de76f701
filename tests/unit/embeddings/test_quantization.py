from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from attune.embeddings import precision as precision_module
from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.errors import SettingError
from attune.embeddings.layers import FeedForward
from attune.embeddings.precision import Precision, choose_precision, vnni_features
from attune.embeddings.products import Product
from attune.embeddings.quantization import calibration_sequences, quantize
from attune.embeddings.quantized_products import QuantizedFeedForward, QuantizedProduct, can_quantize

pytestmark = pytest.mark.skipif(
    not (can_quantize() and vnni_features()), reason="this CPU, or this build of torch, has no products in int8"
)

INT8 = Precision(torch.float32, "asked for by a test", quantized=True)
ROWS, INPUTS, OUTPUTS = 48, 64, 96
sequences = st.lists(st.lists(st.integers(0, 70), min_size=1, max_size=40), min_size=1, max_size=10)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def product(inputs: int = INPUTS, outputs: int = OUTPUTS, *, bias: bool = True) -> Product:
    made = Product(inputs, outputs, bias=bias).requires_grad_(requires_grad=False)
    nn.init.normal_(made.weight, std=0.1)
    if made.bias is not None:
        nn.init.normal_(made.bias)
    return made


def off(found: torch.Tensor, exact: torch.Tensor) -> float:
    """The relative error."""
    return float((found.float() - exact).norm() / exact.norm())


def dense(directory: Path) -> Encoder:
    config = read_model_config(directory)
    return Encoder.load(directory, config, Precision(torch.float32, "asked for by a test"))


def int8(directory: Path) -> Encoder:
    return Encoder.load(directory, read_model_config(directory), INT8)


def blocks(directory: Path, seed: int) -> list[nn.Module]:
    generator = torch.Generator().manual_seed(seed)
    found = [each.get_submodule("feed_forward") for each in _layers(directory)]
    with torch.no_grad():
        for parameter in (parameter for block in found for parameter in block.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return found


def _layers(directory: Path) -> nn.ModuleList:
    return load_encoder(directory, read_model_config(directory).encoder).layers


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output", [torch.float32, torch.bfloat16])
def test_each_operation_is_close_to_the_products(bias, output):
    exact, inputs = product(bias=bias), torch.randn(ROWS, INPUTS)
    other = torch.randn(ROWS, OUTPUTS)
    quantized = QuantizedProduct(exact, inputs.abs().amax(0), 0.5, output)
    assert quantized(inputs).dtype is output
    assert off(quantized(inputs), exact(inputs)) < 0.02
    assert off(quantized.gelu(inputs), exact.gelu(inputs)) < 0.02
    assert off(quantized.plus(inputs, other), exact.plus(inputs, other)) < 0.02
    assert off(quantized.times(inputs, other), exact.times(inputs, other)) < 0.02
    assert quantized.plus(inputs, other).dtype is torch.float32


def test_inputs_in_bf16_are_read_too():
    exact, inputs = product(), torch.randn(ROWS, INPUTS).bfloat16()
    quantized = QuantizedProduct(exact, inputs.float().abs().amax(0), 0.5)
    assert off(quantized(inputs), exact(inputs.float())) < 0.02


def test_a_channel_of_large_inputs_does_not_cost_the_others_their_digits():
    exact, inputs = product(), torch.randn(ROWS, INPUTS)
    inputs[:, 7] *= 100
    peaks = inputs.abs().amax(0)
    kept = inputs.clone()
    kept[:, 7] = 0
    smoothed, plain = QuantizedProduct(exact, peaks, 0.7), QuantizedProduct(exact, peaks, 0.0)
    assert off(smoothed(kept), exact(kept)) < 0.5 * off(plain(kept), exact(kept))


def test_larger_inputs_than_were_observed_are_cut_and_do_not_wrap_around():
    exact, inputs = product(), torch.rand(ROWS, INPUTS) + 0.1
    peaks = inputs.abs().amax(0)
    quantized = QuantizedProduct(exact, peaks, 1.0)  # each channel is cut at its own peak
    at_the_limit = peaks[None]
    assert torch.allclose(quantized(1000 * at_the_limit), quantized(at_the_limit), atol=0.05)
    assert torch.allclose(quantized(-1000 * at_the_limit), quantized(-at_the_limit), atol=0.05)


def test_channels_and_outputs_that_are_always_zero_stay_zero():
    exact, inputs = product(bias=False), torch.randn(ROWS, INPUTS)
    inputs[:, 3] = 0
    with torch.no_grad():
        exact.weight[5] = 0
        exact.weight[:, 9] = 0
    found = QuantizedProduct(exact, inputs.abs().amax(0), 0.5)(inputs)
    assert bool(torch.isfinite(found).all())
    assert not found[:, 5].any()
    assert off(found, exact(inputs)) < 0.02


def test_outlying_inner_channels_are_kept_apart(shared_tiny_model):
    block = FeedForward(read_model_config(shared_tiny_model).encoder).requires_grad_(requires_grad=False)
    for each in (block.intermediate, block.output):
        nn.init.normal_(each.weight, std=0.3)
        nn.init.zeros_(each.bias)
    with torch.no_grad():
        block.intermediate.weight[11] *= 100
    hidden = torch.randn(ROWS, block.intermediate.weight.shape[1])
    inner = functional.gelu(block.intermediate(hidden))
    first, second = block.intermediate, block.output
    quantized = QuantizedFeedForward(first, second, hidden.abs().amax(0), inner.abs().amax(0), 0.5)
    assert off(quantized(hidden), block(hidden)) < 0.01


def test_calibration_is_the_same_every_time_and_within_the_model():
    found = calibration_sequences(70, 40)
    assert found == calibration_sequences(70, 40)
    assert {len(each) for each in found} == {8, 16, 32, 40}
    assert 0 <= min(map(min, found)) <= max(map(max, found)) < 70


def test_products_that_nothing_was_sent_through_are_quantized_too():
    class Elsewhere(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = product()

    found = quantize([Elsewhere()], lambda: None, torch.float32)
    assert isinstance(found[0].first, QuantizedProduct)


@settings(deadline=None, max_examples=25)
@given(sequences)
def test_a_sequence_has_the_same_vector_alone_and_in_any_batch(int8_encoder, tokens):
    alone = np.concatenate([int8_encoder.encode([sequence]) for sequence in tokens])
    together = int8_encoder.encode(tokens)
    # Attention rounds differently in another tile, and a value at the edge of two bytes may then take the other.
    assert (alone * together).sum(axis=1).min() >= 0.999


@settings(deadline=None, max_examples=25)
@given(sequences)
def test_vectors_are_close_to_those_of_fp32(int8_encoder, fp32_encoder, tokens):
    # Of a tiny model with random weights, a repeated token may lose more than any text does of a real one.
    assert (int8_encoder.encode(tokens) * fp32_encoder.encode(tokens)).sum(axis=1).min() >= 0.97


@pytest.fixture(scope="module")
def int8_encoder(shared_tiny_model) -> Encoder:
    return int8(shared_tiny_model)


@pytest.fixture(scope="module")
def fp32_encoder(shared_tiny_model) -> Encoder:
    return dense(shared_tiny_model)


def test_experts_are_in_int8_too_and_leave_the_others_as_they_are(shared_tiny_model):
    encoder, exact = int8(shared_tiny_model), dense(shared_tiny_model)
    tokens = [[3, 5, 8, 2], [9] * 30, [4, 4]]
    before = encoder.encode(tokens)
    for seed in (1, 2):
        assert encoder.add_expert(blocks(shared_tiny_model, seed)) == exact.add_expert(blocks(shared_tiny_model, seed))
    assert np.array_equal(encoder.encode(tokens), before)
    found, wanted = encoder.encode(tokens, [2, 0, 1]), exact.encode(tokens, [2, 0, 1])
    assert (found * wanted).sum(axis=1).min() >= 0.99
    assert (found * before).sum(axis=1)[0] < 0.99  # the expert's own vectors


def test_int8_without_the_instructions_for_it_is_refused(monkeypatch):
    monkeypatch.setattr(precision_module, "cpu_features", lambda: {"avx2": True, "avx512_vnni": False})
    with pytest.raises(SettingError, match="this CPU has no VNNI"):
        choose_precision("int8")


def test_int8_without_the_operators_is_refused(monkeypatch):
    monkeypatch.setattr(precision_module, "cpu_features", lambda: {"avx512_vnni": True})
    monkeypatch.setattr(precision_module, "can_quantize", lambda: False)
    with pytest.raises(SettingError, match="this build of torch"):
        choose_precision("int8")


def test_int8_says_what_attention_computes_in(monkeypatch):
    monkeypatch.setattr(precision_module, "cpu_features", lambda: {"avx512_vnni": True})
    chosen = choose_precision("int8")
    assert chosen == Precision(
        torch.float32, "int8: asked for; attention in fp32: this CPU has no native bf16", quantized=True
    )


def test_int8_on_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
    with pytest.raises(SettingError, match="for CPUs"):
        choose_precision("int8", torch.device("cuda:0"))
