"""Attention and pooling by spans. The kernel is for GPUs: what it is given is tested everywhere, what it makes of it,
where there is one.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.embeddings.test_attention import HEADS, SIZE
from tests.unit.embeddings.test_backbone_parity import published, write_backbone
from tests.unit.embeddings.test_experts import EXPERTS, blocks, mixture
from torch.nn.functional import scaled_dot_product_attention

from attune.embeddings.attention import plan_tiles
from attune.embeddings.config import Pooling, read_model_config
from attune.embeddings.devices import CPU
from attune.embeddings.encoder import Encoder
from attune.embeddings.packing import pack
from attune.embeddings.pooling import pool, pool_spans
from attune.embeddings.precision import Precision
from attune.embeddings.spans import _is_right, can_attend_by_spans, plan_spans
from attune.embeddings.tile_bias import beyond_reach, with_bias

GPU = torch.device("cuda", 0)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
lengths = st.lists(st.integers(1, 70), min_size=1, max_size=12)


def test_bounds_are_the_first_rows_the_end_and_the_rows_behind_it():
    plan = plan_spans([3, 1, 4], 16)
    assert plan.bounds.tolist() == [0, 3, 4, 8, 16]
    assert plan.bounds.dtype is torch.int32


@settings(deadline=None)
@given(lengths, st.integers(0, 40))
def test_no_span_is_longer_than_the_plan_says(of, more):
    plan = plan_spans(of, sum(of) + more)
    assert plan.bounds.diff().max() <= plan.longest


def test_a_longer_sequence_than_any_step_is_the_longest_itself():
    assert plan_spans([8000, 3], 8003).longest == 8000


def test_batches_of_other_lengths_that_differ_in_tensors_alone_have_one_shape():
    one, other = (next(pack([[1] * length for length in of], 4096, plan_spans)) for of in ((3, 5), (2, 6)))
    assert one.shape() == other.shape()
    assert next(pack([[1] * 8], 4096, plan_spans)).shape() != one.shape()


@settings(deadline=None)
@given(lengths)
@pytest.mark.parametrize("mode", Pooling)
def test_spans_are_pooled_as_each_alone(mode, of):
    batch = next(pack([[1] * length for length in of], 4096, plan_spans))
    hidden = torch.randn(len(batch.token_ids), 5, generator=torch.Generator().manual_seed(sum(of)))
    pooled = pool_spans(hidden, batch.attention.bounds[:-1], batch.positions, mode)
    parts = hidden[: sum(of)].split([of[place] for place in batch.order])
    torch.testing.assert_close(pooled, torch.cat([pool(part[None], mode) for part in parts]))


@pytest.fixture
def kernel(monkeypatch):
    """Lets spans be attended to by a kernel on the CPU, one that is right or not."""

    def put(made):
        can_attend_by_spans.cache_clear()
        monkeypatch.setattr("attune.embeddings.spans._kernel", lambda: made)

    yield put
    can_attend_by_spans.cache_clear()


def one_after_the_other(query, key, value, bounds, _keys, longest, _longest, *, scale, window_size):
    """What the kernel computes, by its documentation."""
    assert bounds.diff().max() <= longest
    left, right = (reach if reach >= 0 else len(query) for reach in window_size)
    contexts = []
    for q, k, v in zip(*(each.split(bounds.diff().tolist()) for each in (query, key, value)), strict=True):
        places = torch.arange(len(q))
        apart = places[None] - places[:, None]
        mask = torch.zeros(len(q), len(q)).masked_fill_((apart < -left) | (apart > right), float("-inf"))
        parts = (each.float().transpose(0, 1) for each in (q, k, v))
        contexts.append(scaled_dot_product_attention(*parts, attn_mask=mask, scale=scale).transpose(0, 1))
    return torch.cat(contexts).to(query.dtype)


def nothing(query, _key, _value, _bounds, _keys, _longest, _other, *, scale, window_size):
    return torch.zeros_like(query)


@pytest.mark.parametrize("made", [one_after_the_other, nothing])
def test_a_kernel_is_right_if_it_attends_within_sequences(kernel, made):
    kernel(made)
    assert _is_right(8, CPU, torch.bfloat16) == (made is one_after_the_other)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, st.sampled_from([None, 2, 8]))
def test_spans_attend_within_reach_as_tiles_do(kernel, of, reach):
    kernel(one_after_the_other)
    qkv = torch.randn(sum(of) + 3, 3 * HEADS * SIZE, generator=torch.Generator().manual_seed(sum(of)))
    by_spans = replace(plan_spans(of, len(qkv)), reach=reach).attend(qkv, HEADS)[: sum(of)]
    tiles = with_bias(plan_tiles(of, qkv.dtype), lambda length: beyond_reach(length, reach, qkv.dtype, CPU))
    torch.testing.assert_close(by_spans, tiles.attend(qkv, HEADS)[: sum(of)])


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_an_encoder_gives_the_same_vectors_by_spans_as_by_tiles(kernel, family, tmp_path, monkeypatch):
    kernel(one_after_the_other)
    published(write_backbone(tmp_path / "backbone", family), tmp_path / "saved")
    config = read_model_config(tmp_path / "saved")
    tokens = [[2, *range(5, 5 + length % 30), *[7] * (length // 2), 3] for length in (1, 4, 9, 9, 20, 60, 110)]
    encoder = Encoder.load(tmp_path / "saved", config, Precision(torch.float32, "asked for by a test"))
    by_tiles = encoder.encode(tokens)
    monkeypatch.setattr("attune.embeddings.packed_encoder.can_attend_by_spans", lambda *_: True)
    np.testing.assert_allclose(encoder.encode(tokens), by_tiles, atol=1e-5)


@pytest.mark.parametrize(("device", "dtype"), [(CPU, torch.bfloat16), (GPU, torch.float32)])
def test_the_kernel_is_for_gpus_and_half_precision(device, dtype):
    assert not can_attend_by_spans(32, device, dtype)


def failing(_head_size, _device, _dtype):
    raise RuntimeError("no kernel for this GPU")


@pytest.mark.parametrize(
    ("trial", "told"), [(failing, "cannot be used"), (lambda *_: False, "is wrong for heads of 32")]
)
def test_where_the_kernel_is_not_used_a_log_line_says_so(kernel, monkeypatch, caplog, trial, told):
    kernel(nothing)
    monkeypatch.setattr("attune.embeddings.spans._is_right", trial)
    assert not can_attend_by_spans(32, GPU, torch.bfloat16)
    assert told in caplog.text


@needs_gpu
@settings(deadline=None, max_examples=30)
@given(lengths, st.integers(0, 40))
def test_spans_attend_as_if_each_sequence_were_alone(of, more):
    qkv = torch.randn(sum(of) + more, 3 * 2 * 8, generator=torch.Generator().manual_seed(sum(of)))
    plan = plan_spans(of, len(qkv)).map(lambda tensor: tensor.to(GPU))
    attended = plan.attend(qkv.to(GPU, torch.bfloat16), 2)[: sum(of)].float().cpu()
    contexts = []
    for rows in qkv[: sum(of)].split(of):
        query, key, value = rows.view(len(rows), 3, 2, 8).permute(1, 2, 0, 3)
        context = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        contexts.append(context.transpose(0, 1).reshape(len(rows), -1))
    expected = torch.cat(contexts)
    assert (attended - expected).norm() <= 0.02 * expected.norm()


@needs_gpu
def test_a_gpu_gives_the_cpus_vectors_recorded_or_not(shared_tiny_model):
    directory = shared_tiny_model
    config = read_model_config(directory)
    mixed = mixture(directory)
    there = Encoder.load(directory, config, Precision(torch.bfloat16, "asked for by a test"), GPU)
    for expert in range(1, EXPERTS):
        there.add_expert(blocks(directory, expert))
    tokens = [[2, *range(5, 5 + length), 3] for length in (1, 4, 9, 9, 20)]
    experts = [place % EXPERTS for place in range(len(tokens))]
    for routed in (experts, [0] * len(tokens), [1] * len(tokens)):
        for _ in range(3):  # computed, recorded, replayed
            cosines = (there.encode(tokens, routed) * mixed.encode(tokens, routed)).sum(1)
            assert cosines.min() >= 0.999
    assert np.allclose(there.encode(tokens[::-1], [0] * len(tokens))[::-1], there.encode(tokens), atol=1e-2)
