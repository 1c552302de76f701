"""The arithmetic that a text needs, the ceiling, and the engines of the worker."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import TextError
from attune.embeddings.precision import Precision
from attune.embeddings.weights import resolve_model
from attune.services.cli.measure.embedding.local.ceiling import measure_ceiling
from attune.services.cli.measure.embedding.local.engines import OurEngine, load_engine
from attune.services.cli.measure.embedding.local.mixture import Mixture
from attune.services.cli.measure.embedding.local.operations import Operations
from attune.services.cli.measure.errors import BenchError

pytestmark = pytest.mark.timeout(600)  # in bf16, a CPU without it takes its time


@pytest.fixture(scope="module")
def ours() -> OurEngine:
    return OurEngine(Embedder.load(precision="fp32"))


def test_minilm_has_as_many_weights_as_its_dimensions_say() -> None:
    operations = Operations.read(resolve_model(None))
    assert operations == Operations(6 * (4 * 384**2 + 2 * 384 * 1536), 384, 6)


def test_only_the_encoders_matrices_count(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 2, "num_hidden_layers": 1}))
    shapes = {
        "embeddings.word_embeddings.weight": (100, 2),
        "encoder.layer.0.attention.self.query.weight": (2, 2),
        "encoder.layer.0.attention.self.query.bias": (2,),
        "encoder.layer.0.output.dense.weight": (2, 8),
        "pooler.dense.weight": (2, 2),
    }
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "model.safetensors")
    assert Operations.read(tmp_path) == Operations(4 + 16, 2, 1)


def test_two_operations_for_each_weight_and_token_and_attention_on_top() -> None:
    assert Operations(linear_weights=10, hidden_size=4, layers=3).of([5]) == 2 * 5 * 10 + 4 * 25 * 4 * 3


@given(st.lists(st.integers(1, 256), max_size=20))
def test_texts_add_up_because_nothing_is_padded(lengths: list[int]) -> None:
    operations = Operations(1000, 8, 2)
    assert operations.of(lengths) == sum(operations.of([length]) for length in lengths)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ceiling_is_positive_and_the_best_is_no_less_than_the_plain_one(dtype: torch.dtype) -> None:
    ceiling = measure_ceiling(dtype, seconds=1e-4, shapes=[(32, 48, 64), (16, 32, 16)])
    assert ceiling.best >= ceiling.plain > 0


def test_our_engine_and_the_reference_agree(ours: OurEngine) -> None:
    texts = ["a short query", "a somewhat longer passage about search engines and their users"]
    reference = load_engine("sentence_transformers_fp32", resolve_model(None), ours)
    assert reference.dtype is torch.float32
    np.testing.assert_allclose(ours.vectors(texts), reference.vectors(texts), atol=1e-5)


def test_a_text_without_a_vector_is_an_error(ours: OurEngine) -> None:
    with pytest.raises(TextError, match="empty"):
        ours.vectors(["fine", " "])


def test_an_unknown_engine_is_named(ours: OurEngine) -> None:
    assert load_engine("attune", Path(), ours) is ours
    with pytest.raises(BenchError, match=r"engine onnx: use attune or sentence_transformers_<fp32\|bf16>"):
        load_engine("onnx", Path(), ours)


def test_a_mixture_is_measured_beside_one_expert() -> None:
    mixture = Mixture(resolve_model(None), Precision(torch.float32, "asked for by a test"))
    measures = mixture.speed([[101, 2000, 102]] * 6, [1.0, 0.5, 0.25], seed=3, seconds=0)
    assert measures["ratio"] == pytest.approx(measures["texts_per_s"] / measures["dense_texts_per_s"])
    assert measures["texts_per_s"] > 0
