from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.packing import pack

sequences = st.lists(st.lists(st.integers(0, 90), min_size=1, max_size=12), max_size=30)
budgets = st.integers(1, 40)


@settings(deadline=None)
@given(sequences, budgets)
def test_every_sequence_is_packed_once_and_found_again(tokens, budget):
    found = {}
    for batch in pack(tokens, budget):
        rows = iter(batch.order)
        for group in batch.groups:
            for ids in batch.token_ids[group.rows].view(group.count, group.length):
                found[next(rows)] = ids.tolist()
        assert next(rows, None) is None
    assert [found[index] for index in range(len(tokens))] == tokens


@settings(deadline=None)
@given(sequences, budgets)
def test_a_batch_keeps_to_the_budget_unless_it_is_one_sequence(tokens, budget):
    for batch in pack(tokens, budget):
        assert len(batch.token_ids) <= budget or len(batch.order) == 1


@settings(deadline=None)
@given(sequences, budgets)
def test_positions_restart_with_each_sequence(tokens, budget):
    for batch in pack(tokens, budget):
        expected = [position for index in batch.order for position in range(len(tokens[index]))]
        assert batch.positions.tolist() == expected


@settings(deadline=None)
@given(sequences, budgets)
def test_groups_tile_the_batch_and_their_lengths_rise(tokens, budget):
    for batch in pack(tokens, budget):
        ends = [group.rows.stop for group in batch.groups]
        assert [group.start for group in batch.groups] == [0, *ends[:-1]]
        assert ends[-1] == len(batch.token_ids)
        lengths = [group.length for group in batch.groups]
        assert lengths == sorted(set(lengths))


def test_nothing_packs_to_nothing():
    assert list(pack([], 8)) == []
