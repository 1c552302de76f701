import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from attune.embeddings.attention import plan_tiles

HEADS, SIZE = 2, 4
sorted_lengths = st.lists(st.integers(1, 70), min_size=1, max_size=12).map(sorted)


def one_by_one(qkv: Tensor, lengths: list[int]) -> Tensor:
    contexts = []
    for rows in qkv[: sum(lengths)].split(lengths):
        query, key, value = rows.view(len(rows), 3, HEADS, SIZE).permute(1, 2, 0, 3)
        context = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        contexts.append(context.transpose(0, 1).reshape(len(rows), -1))
    return torch.cat(contexts)


def random_rows(count: int) -> Tensor:
    return torch.randn(count, 3 * HEADS * SIZE, generator=torch.Generator().manual_seed(count))


@settings(deadline=None)
@given(sorted_lengths)
def test_tiles_attend_as_if_each_sequence_were_alone(lengths):
    qkv = random_rows(sum(lengths))
    torch.testing.assert_close(plan_tiles(lengths, qkv.dtype).attend(qkv, HEADS), one_by_one(qkv, lengths))


@settings(deadline=None)
@given(sorted_lengths)
def test_in_bf16_too(lengths):
    qkv = random_rows(sum(lengths)).bfloat16()
    attended = plan_tiles(lengths, qkv.dtype).attend(qkv, HEADS)
    expected = one_by_one(qkv.float(), lengths)
    assert (attended.float() - expected).norm() <= 0.02 * expected.norm()  # one of many may be rounded badly


@settings(deadline=None)
@given(sorted_lengths)
def test_every_row_has_one_place_that_shows_it(lengths):
    plan = plan_tiles(lengths, torch.float32)
    if plan.rows is None or plan.places is None:
        assert sum(group.count * group.length for group in plan.groups) == sum(lengths)
    else:
        assert plan.rows[plan.places].tolist() == list(range(sum(lengths)))


def test_rows_beyond_the_sequences_become_zero():
    attended = plan_tiles([8], torch.float32).attend(random_rows(10), HEADS)
    assert attended[8:].count_nonzero() == 0


@pytest.mark.parametrize(
    ("lengths", "tiles"),
    [
        ([8] * 4, [(1, 32)]),
        ([8] * 6, [(2, 24)]),
        ([128] * 3, [(3, 128)]),
        ([7], [(1, 7)]),
        ([4, 20, 30, 40, 300, 700], [(2, 32), (1, 48), (1, 384), (1, 768)]),
    ],
)
def test_short_sequences_share_tiles_and_tiles_have_few_lengths(lengths, tiles):
    assert [(group.count, group.length) for group in plan_tiles(lengths, torch.float32).groups] == tiles


def test_full_tiles_of_one_sequence_need_no_mask_and_no_copy():
    plan = plan_tiles([64] * 3, torch.float32)
    assert plan.groups[0].mask is None
    assert plan.rows is None


def test_many_tiles_are_attended_to_in_parts():
    qkv = random_rows(40 * 256).bfloat16()
    lengths = [256] * 40
    attended = plan_tiles(lengths, qkv.dtype).attend(qkv, HEADS)
    torch.testing.assert_close(attended.float(), one_by_one(qkv.float(), lengths), atol=0.05, rtol=0.05)
