from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from attune.embeddings.attention import tiles_in
from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.packing import pack
from attune.embeddings.precision import Precision
from attune.embeddings.products import can_prepack

EXPERTS = 4
ids = st.lists(st.integers(0, 70), min_size=1, max_size=40)
routed = st.lists(st.tuples(ids, st.integers(0, EXPERTS - 1)), min_size=1, max_size=14)


def blocks(directory: Path, seed: int) -> list[nn.Module]:
    """The backbone's own feed-forward blocks with noise, as an expert that was trained from them would be."""
    generator = torch.Generator().manual_seed(seed)
    layers = load_encoder(directory, read_model_config(directory).encoder).layers
    found = [layer.get_submodule("feed_forward") for layer in layers]
    with torch.no_grad():
        for parameter in (parameter for block in found for parameter in block.parameters()):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return found


def backbone(
    directory: Path, dtype: torch.dtype = torch.float32, budget: int = 2048, *, prepacked: bool = False
) -> Encoder:
    config = read_model_config(directory)
    precision = Precision(dtype, "asked for by a test", prepacked)
    return Encoder(load_encoder(directory, config.encoder), config, precision, budget)


def mixture(
    directory: Path, dtype: torch.dtype = torch.float32, budget: int = 2048, *, prepacked: bool = False
) -> Encoder:
    encoder = backbone(directory, dtype, budget, prepacked=prepacked)
    for expert in range(1, EXPERTS):
        assert encoder.add_expert(blocks(directory, expert)) == expert
    return encoder


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@pytest.fixture(scope="module")
def mixed(shared_tiny_model) -> Encoder:
    return mixture(shared_tiny_model)


@pytest.fixture(scope="module")
def specialists(shared_tiny_model) -> list[Encoder]:
    """What the mixture must equal: for each expert, a dense encoder whose feed-forward blocks are the expert's."""
    found = [backbone(shared_tiny_model)]
    for expert in range(1, EXPERTS):
        config = read_model_config(shared_tiny_model)
        packed = load_encoder(shared_tiny_model, config.encoder)
        for layer, block in zip(packed.layers, blocks(shared_tiny_model, expert), strict=True):
            layer.feed_forward = block
        found.append(Encoder(packed, config, Precision(torch.float32, "asked for by a test")))
    return found


@settings(deadline=None, max_examples=40)
@given(routed)
def test_a_mixed_batch_equals_its_specialists(mixed, specialists, texts):
    together = mixed.encode([tokens for tokens, _ in texts], [expert for _, expert in texts])
    alone = np.concatenate([specialists[expert].encode([tokens]) for tokens, expert in texts])
    assert cosines(together, alone).min() >= 0.9999


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16])
def laid_out(request, shared_tiny_model) -> Encoder:
    return mixture(shared_tiny_model, request.param, 32, prepacked=can_prepack(request.param))


@settings(deadline=None, max_examples=30)
@given(texts=routed)
def test_small_batches_and_laid_out_weights_change_nothing(laid_out, mixed, texts):
    tokens, experts = [tokens for tokens, _ in texts], [expert for _, expert in texts]
    assert cosines(laid_out.encode(tokens, experts), mixed.encode(tokens, experts)).min() >= 0.999


def test_experts_differ(mixed):
    vectors = mixed.encode([[2, 10, 11, 12, 3]] * EXPERTS, range(EXPERTS))
    assert np.abs(vectors @ vectors.T - np.eye(EXPERTS)).max() < 0.999


def test_adding_an_expert_changes_no_byte_of_the_others(shared_tiny_model):
    encoder = mixture(shared_tiny_model)
    tokens = [[2, 10 + place, 3] * (1 + place) for place in range(10)]
    experts = [place % EXPERTS for place in range(10)]
    before = encoder.encode(tokens, experts)
    encoder.add_expert(blocks(shared_tiny_model, 99))
    np.testing.assert_array_equal(encoder.encode(tokens, experts), before)


def test_no_experts_are_the_general_one(mixed):
    tokens = [[2, 10, 3], [2, 11, 12, 3]]
    np.testing.assert_array_equal(mixed.encode(tokens), mixed.encode(tokens, [0, 0]))


@pytest.mark.parametrize("expert", [-1, EXPERTS])
def test_an_expert_that_was_not_added_is_refused(mixed, expert):
    with pytest.raises(ValueError, match=rf"an expert is outside 0\.\.{EXPERTS - 1}: add it first"):
        mixed.encode([[2, 3], [2, 3]], [0, expert])


def test_every_sequence_needs_its_expert(mixed):
    with pytest.raises(ValueError, match="2 sequences come with 1 experts: give one each, or none"):
        mixed.encode([[2, 3], [2, 3]], [0])


def test_an_expert_needs_a_block_for_each_layer(mixed, shared_tiny_model):
    with pytest.raises(ValueError, match="has 1 feed-forward blocks: give 2, one a layer"):
        mixed.add_expert(blocks(shared_tiny_model, 5)[:1])


@settings(deadline=None)
@given(routed, st.integers(1, 400))
def test_each_experts_rows_are_one_segment_of_a_batch(texts, budget):
    tokens, experts = [tokens for tokens, _ in texts], [expert for _, expert in texts]
    for batch in pack(tokens, budget, tiles_in(torch.float32), experts):
        rows = [segment.rows for segment in batch.segments]
        assert [part.start for part in rows] == [0, *(part.stop for part in rows[:-1])]
        assert rows[-1].stop == len(batch.token_ids)
        in_order = [segment.expert for segment in batch.segments]
        assert in_order == sorted(set(in_order))
        owners = [experts[index] for index in batch.order for _ in tokens[index]]
        for segment in batch.segments:
            assert set(owners[segment.rows]) == {segment.expert}
            assert 0 <= segment.computed.start <= segment.rows.start
            assert segment.rows.stop <= segment.computed.stop <= len(batch.token_ids)
