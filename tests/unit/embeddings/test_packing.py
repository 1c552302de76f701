import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.attention import tiles_in
from attune.embeddings.packing import pack, padded_rows

sequences = st.lists(st.lists(st.integers(0, 90), min_size=1, max_size=12), max_size=30)
budgets = st.integers(1, 40)


@settings(deadline=None)
@given(sequences, budgets)
def test_every_sequence_is_packed_once_and_found_again(tokens, budget):
    found = {}
    for batch in pack(tokens, budget, tiles_in(torch.float32)):
        rows = iter(batch.order)
        for group in batch.groups:
            for ids in batch.token_ids[group.rows].view(group.count, group.length):
                found[next(rows)] = ids.tolist()
        assert next(rows, None) is None
    assert [found[index] for index in range(len(tokens))] == tokens


@settings(deadline=None)
@given(sequences, budgets)
def test_a_batch_keeps_to_the_budget_unless_it_is_one_sequence(tokens, budget):
    for batch in pack(tokens, budget, tiles_in(torch.float32)):
        assert batch.groups[-1].rows.stop <= budget or len(batch.order) == 1


@settings(deadline=None)
@given(sequences, budgets)
def test_positions_restart_with_each_sequence(tokens, budget):
    for batch in pack(tokens, budget, tiles_in(torch.float32)):
        expected = [position for index in batch.order for position in range(len(tokens[index]))]
        assert batch.positions[: len(expected)].tolist() == expected


@settings(deadline=None)
@given(sequences, budgets)
def test_groups_tile_the_batch_and_their_lengths_rise(tokens, budget):
    for batch in pack(tokens, budget, tiles_in(torch.float32)):
        ends = [group.rows.stop for group in batch.groups]
        assert [group.start for group in batch.groups] == [0, *ends[:-1]]
        assert len(batch.token_ids) == len(batch.positions) == padded_rows(ends[-1])
        lengths = [group.length for group in batch.groups]
        assert lengths == sorted(set(lengths))


def test_nothing_packs_to_nothing():
    assert list(pack([], 8, tiles_in(torch.float32))) == []


@pytest.mark.parametrize(("tokens", "rows"), [(1, 8), (8, 8), (129, 160), (1000, 1024), (1025, 1088), (2048, 2048)])
def test_a_batch_is_filled_up_to_one_of_few_sizes(tokens, rows):
    assert padded_rows(tokens) == rows
