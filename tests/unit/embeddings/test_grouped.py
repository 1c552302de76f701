import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.embeddings.test_experts import EXPERTS, blocks, mixture
from torch import nn

from attune.embeddings import encoder as encoder_module
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.graphs import RecordedPasses
from attune.embeddings.grouped import can_group
from attune.embeddings.layers import FeedForward
from attune.embeddings.routing import Routing, Segment

GPU = torch.device("cuda", 0)
routed = st.lists(
    st.tuples(st.lists(st.integers(0, 70), min_size=1, max_size=20), st.integers(0, EXPERTS - 1)),
    min_size=1,
    max_size=10,
)


def segment(expert: int, start: int, stop: int) -> Segment:
    return Segment(expert, slice(start, stop), slice(start, stop))


def test_rows_are_routed_by_the_ends_of_their_experts():
    found = Routing.of([segment(0, 0, 3), segment(2, 3, 4), segment(3, 4, 8)])
    assert found.ends.tolist() == [3, 3, 4, 8]
    assert found.ends.dtype is torch.int32
    assert found.owners.tolist() == [0, 0, 0, 2, 3, 3, 3, 3]


@pytest.fixture(scope="module")
def one_by_one(shared_tiny_model) -> Encoder:
    return mixture(shared_tiny_model)


@pytest.fixture(scope="module")
def grouped(shared_tiny_model) -> Encoder:
    """As on a GPU, but for the device: torch computes grouped products on a CPU too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder_module, "can_group", lambda *_: True)
        made = mixture(shared_tiny_model)
    made._recorded = RecordedPasses(made._encode_batch, lambda _: pytest.fail("nothing is recorded here"), largest=0)
    return made


@settings(deadline=None, max_examples=40)
@given(routed)
def test_grouped_experts_give_the_vectors_of_experts_one_by_one(one_by_one, grouped, texts):
    tokens, experts = [tokens for tokens, _ in texts], [expert for _, expert in texts]
    assert np.allclose(grouped.encode(tokens, experts), one_by_one.encode(tokens, experts), atol=1e-5)


def test_blocks_are_grouped_where_the_product_is_known_to_work(shared_tiny_model):
    known = blocks(shared_tiny_model, 1)
    assert can_group(known, GPU, torch.bfloat16)
    assert not can_group(known, torch.device("cpu"), torch.bfloat16)
    assert not can_group(known, GPU, torch.float32)
    assert not can_group([*known, nn.Identity()], GPU, torch.bfloat16)


def test_blocks_are_not_grouped_by_a_torch_without_the_product(monkeypatch, shared_tiny_model):
    monkeypatch.delattr(torch.nn.functional, "grouped_mm")
    config = read_model_config(shared_tiny_model).encoder
    assert not can_group([FeedForward(config)], GPU, torch.bfloat16)
