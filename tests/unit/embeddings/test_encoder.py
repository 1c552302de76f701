import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.precision import Precision
from attune.embeddings.products import can_prepack

POSITIONS, HIDDEN = 40, 32
sequences = st.lists(st.lists(st.integers(0, 70), min_size=1, max_size=POSITIONS), min_size=1, max_size=12)


def build(
    directory: Path, *, dtype: torch.dtype = torch.float32, token_budget: int = 2048, prepacked: bool = False
) -> Encoder:
    config = read_model_config(directory)
    precision = Precision(dtype, "asked for by a test", prepacked)
    return Encoder(load_encoder(directory, config.encoder), config, precision, token_budget)


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms


@pytest.fixture(scope="module")
def encoder(shared_tiny_model) -> Encoder:
    return build(shared_tiny_model)


@pytest.fixture(scope="module")
def thrifty_encoder(shared_tiny_model) -> Encoder:
    return build(shared_tiny_model, token_budget=7)


@pytest.fixture(scope="module")
def bf16_encoder(shared_tiny_model) -> Encoder:
    return build(shared_tiny_model, dtype=torch.bfloat16)


@settings(deadline=None, max_examples=40)
@given(sequences)
def test_a_sequence_has_the_same_vector_alone_and_in_any_batch(encoder, tokens):
    alone = np.concatenate([encoder.encode([sequence]) for sequence in tokens])
    assert cosines(encoder.encode(tokens), alone).min() >= 0.9999


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_laid_out_for_the_cpu_change_no_vector(shared_tiny_model, encoder, dtype):
    if not can_prepack(dtype):
        pytest.skip("this build of torch has no oneDNN, or it does not compute so on this CPU")
    tokens = [[3] * length for length in range(1, POSITIONS)]
    prepacked = build(shared_tiny_model, dtype=dtype, prepacked=True)
    assert cosines(prepacked.encode(tokens), encoder.encode(tokens)).min() >= 0.999


@settings(deadline=None, max_examples=40)
@given(sequences)
def test_the_token_budget_changes_no_vector(encoder, thrifty_encoder, tokens):
    assert cosines(encoder.encode(tokens), thrifty_encoder.encode(tokens)).min() >= 0.9999


@settings(deadline=None, max_examples=40)
@given(sequences, st.randoms(use_true_random=False))
def test_the_order_of_the_batch_changes_no_vector(encoder, tokens, random):
    order = list(range(len(tokens)))
    random.shuffle(order)
    shuffled = encoder.encode([tokens[index] for index in order])
    assert cosines(encoder.encode(tokens)[order], shuffled).min() >= 0.9999


@settings(deadline=None, max_examples=40)
@given(sequences)
def test_bf16_keeps_the_invariant_and_stays_close_to_fp32(encoder, bf16_encoder, tokens):
    together = bf16_encoder.encode(tokens)
    alone = np.concatenate([bf16_encoder.encode([sequence]) for sequence in tokens])
    assert cosines(together, alone).min() >= 0.9999
    assert cosines(together, encoder.encode(tokens)).min() >= 0.999


@settings(deadline=None, max_examples=40)
@given(sequences)
def test_vectors_are_finite_float32_of_unit_length(encoder, tokens):
    vectors = encoder.encode(tokens)
    assert vectors.shape == (len(tokens), HIDDEN)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_order_and_content_of_tokens_matter(encoder):
    vectors = encoder.encode([[2, 10, 11, 3], [2, 11, 10, 3], [2, 10, 12, 3], [2, 10, 11, 3]])
    similarity = cosines(np.repeat(vectors[:1], 4, axis=0), vectors)
    assert similarity[3] == pytest.approx(1, abs=1e-5)
    assert max(similarity[1:3]) < 0.999


def test_no_sequences_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, HIDDEN)


def test_a_model_without_normalize_keeps_its_lengths(write_model, tmp_path):
    plain = build(write_model(tmp_path / "plain", normalize=False))
    tokens = [[2, 10, 3], [2, 20, 21, 22, 3]]
    norms = np.linalg.norm(plain.encode(tokens), axis=1)
    assert abs(norms - 1).min() > 0.01


def test_cls_pooling_differs_from_mean_pooling(encoder, write_model, tmp_path):
    cls = build(write_model(tmp_path / "cls", pooling={"pooling_mode": "cls"}))
    tokens = [[2, 10, 11, 12, 3]]
    assert cosines(encoder.encode(tokens), cls.encode(tokens))[0] < 0.99
    assert cosines(encoder.encode([[2]]), cls.encode([[2]]))[0] >= 0.9999


def test_the_second_segment_plays_no_part(encoder, write_model, tmp_path):
    segments = torch.randn(2, HIDDEN, generator=torch.Generator().manual_seed(3))
    name = "embeddings.token_type_embeddings.weight"
    first = build(write_model(tmp_path / "first", weights={name: segments}))
    second = build(write_model(tmp_path / "second", weights={name: torch.stack([segments[0], segments[0] + 1])}))
    np.testing.assert_array_equal(first.encode([[2, 9, 3]]), second.encode([[2, 9, 3]]))


@pytest.mark.parametrize("sequence", [[], [1] * (POSITIONS + 1)])
def test_a_sequence_of_impossible_length_is_named(encoder, sequence):
    with pytest.raises(ValueError, match=f"sequence 1 has {len(sequence)} tokens: give 1 to {POSITIONS}"):
        encoder.encode([[2, 3], sequence])


@pytest.mark.parametrize("outside", [-1, 10_000])
def test_an_id_outside_the_vocabulary_is_named(encoder, outside):
    with pytest.raises(ValueError, match="sequence 0 has an id outside"):
        encoder.encode([[2, outside, 3]])


def test_a_longest_sequence_is_encoded(encoder):
    assert np.isfinite(encoder.encode([[5] * POSITIONS])).all()


def test_loading_reads_the_directory_it_is_given(shared_tiny_model, encoder):
    config = read_model_config(shared_tiny_model)
    loaded = Encoder.load(shared_tiny_model, config, Precision(torch.float32, "asked for by a test"))
    np.testing.assert_array_equal(loaded.encode([[2, 9, 3]]), encoder.encode([[2, 9, 3]]))
    assert loaded.dimension == json.loads((shared_tiny_model / "config.json").read_text())["hidden_size"]
