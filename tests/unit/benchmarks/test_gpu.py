"""The GPU benchmark on the CPU: that it runs and counts; its figures here mean nothing."""

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_measures_each_load_and_size(gpu, capsys):
    assert gpu.main(["--device", "cpu", "--models", "minilm", "--texts", "1", "3", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["load"], row["texts"]) for row in rows] == [
        (load, size) for load in ("q8", "p128", "zipf") for size in (1, 3)
    ]
    for row in rows:
        assert row["texts_per_s"] > 0
        assert 0 < row["ceiling_fraction"] < math.inf  # a share of two timings: any, on a machine with other work
        assert row["ratio"] == pytest.approx(row["texts_per_s"] / row["sentence_transformers_per_s"])


def test_the_base_model_is_of_bases_size(gpu):
    with gpu._model_directory("base") as directory:
        config = json.loads((directory / "config.json").read_text())
        assert (config["hidden_size"], config["num_hidden_layers"]) == (768, 12)
        assert gpu.Embedder.load(str(directory), "fp32", device="cpu").dimension == 768
    assert not directory.exists()


def test_without_a_gpu_it_says_so(gpu, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "torch finds 0 GPUs here: use auto or cpu" in capsys.readouterr().err
