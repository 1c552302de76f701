"""Devices, as far as a machine without a GPU can tell: choosing one, and that a pass keeps to the one it is on."""

import pytest
import torch
from tests.unit.embeddings.test_backbone_parity import FAMILIES, published, write_backbone
from torch._subclasses.fake_tensor import FakeTensorMode

from attune.embeddings.attention import tiles_in
from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import Pooling, read_model_config
from attune.embeddings.devices import CPU, choose_device, tokens_at_once
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.packing import pack
from attune.embeddings.pooling import pool
from attune.embeddings.precision import PrecisionSetting, _on_gpu

GPU = torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch):
    """Lets torch say that it has two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("setting", "device"), [("auto", "cuda:0"), ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")]
)
def test_a_device_is_chosen_by_its_name(setting, device):
    assert choose_device(setting) == torch.device(device)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_cpu_computes():
    assert choose_device("auto") == CPU


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("setting", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CPU", "cuda0"])
def test_what_is_no_device_is_refused_with_what_is(setting):
    with pytest.raises(SettingError, match=r"use auto, cpu, cuda or cuda:<number>"):
        choose_device(setting)


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there_is_refused_with_how_many_are():
    with pytest.raises(SettingError, match="'cuda:2', and torch finds 2 GPUs here"):
        choose_device("cuda:2")


@pytest.mark.usefixtures("no_gpu")
def test_an_embedder_for_a_gpu_that_is_not_there_is_refused(shared_tiny_model):
    with pytest.raises(SettingError, match="'cuda:0', and torch finds 0 GPUs here"):
        Embedder.load(str(shared_tiny_model), device="cuda:0")


def test_a_gpu_takes_larger_batches():
    assert tokens_at_once(GPU) > tokens_at_once(CPU)


@pytest.mark.parametrize(
    ("setting", "native", "dtype"),
    [("auto", True, "bfloat16"), ("auto", False, "float32"), ("bf16", False, "bfloat16"), ("fp32", True, "float32")],
)
def test_a_gpus_precision_is_bf16_where_it_is_native(setting, native, dtype):
    chosen = _on_gpu(PrecisionSetting(setting), native=native)
    assert chosen.dtype == getattr(torch, dtype)
    assert not chosen.prepacked


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_keeps_to_its_device(tmp_path, family, dtype):
    """With tensors that only pretend, of which torch still refuses to mix two devices."""
    published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved")
    packed = load_encoder(tmp_path / "saved", read_model_config(tmp_path / "saved").encoder)
    tokens = [[2, *range(5, 5 + length % 30), *[7] * (length // 2), 3] for length in (1, 4, 9, 9, 20, 60, 110)]
    batch = next(pack(tokens, 4096, tiles_in(dtype)))
    packed.prepare(dtype, prepack=False)
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as pretending:
        for module in packed.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                there = pretending.from_tensor(parameter.data).to(GPU)
                module.register_parameter(name, torch.nn.Parameter(there, requires_grad=False))
        hidden = packed(batch.to(GPU))
        assert hidden.device == GPU
        for mode in Pooling:
            group = batch.groups[-1]
            pooled = pool(hidden[group.rows].view(group.count, group.length, -1), mode)
            assert (pooled.device, pooled.dtype) == (GPU, torch.float32)
