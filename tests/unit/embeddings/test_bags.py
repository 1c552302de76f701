"""Bags of tokens: their weights, and their sums without a matrix of all tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.bags import Bags, document_frequencies, inverse_document_frequencies
from attune.embeddings.token_rows import TokenRows

WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5, 3.0], np.float32)
SEQUENCES = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=6)


def shares_of(sequence: list[int]) -> dict[int, float]:
    bags = Bags.of([sequence], WEIGHTS)
    return dict(zip(bags.ids.tolist(), bags.shares.tolist(), strict=True))


def test_a_rare_token_and_a_frequent_mention_count_more():
    twice, once = shares_of([1, 1, 2, 3]), shares_of([1, 2, 3])
    assert list(twice) == [1, 2, 3]
    assert sum(share**2 for share in twice.values()) == pytest.approx(1)
    assert twice[1] / twice[2] > once[1] / once[2]
    assert once[2] > once[1] > once[3]


def test_what_is_beyond_the_vocabulary_or_tells_nothing_is_left_out():
    assert shares_of([9, 7]) == {}
    assert shares_of([0, 0]) == {0: 0}


@settings(deadline=None)
@given(SEQUENCES)
def test_sums_are_those_of_the_whole_matrix(sequences):
    bags, matrix = Bags.of(sequences, WEIGHTS), matrix_of(sequences)
    rows = torch.randn(len(WEIGHTS), 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bags.sums(rows), matrix @ rows)


@settings(deadline=None)
@given(SEQUENCES, st.sets(st.integers(0, 4), min_size=1))
def test_sums_of_some_tokens_rows_are_those_of_the_whole_matrix(sequences, ids):
    known = np.array(sorted(ids), np.int64)
    rows = np.random.default_rng(0).standard_normal((len(known), 3)).astype(np.float32)
    found = TokenRows(known, rows, len(WEIGHTS)).sums(Bags.of(sequences, WEIGHTS))
    np.testing.assert_allclose(found, matrix_of(sequences)[:, known].numpy() @ rows, atol=1e-5)


def matrix_of(sequences: list[list[int]]) -> torch.Tensor:
    """[n, vocabulary]: each token's share, worked out one by one."""
    matrix = torch.zeros(len(sequences), len(WEIGHTS))
    for row, sequence in enumerate(sequences):
        told = {
            each: float(WEIGHTS[each]) * (n := sequence.count(each)) * 2.2 / (n + 1.2) for each in sequence if each < 5
        }
        length = sum(share**2 for share in told.values()) ** 0.5
        for token, share in told.items():
            matrix[row, token] = share / length if length else 0
    return matrix


def test_a_token_can_be_left_out():
    bags = Bags.of([[1, 2], [2]], WEIGHTS)
    sums = bags.without(2).sums(torch.eye(5))
    assert sums[0, 1] > 0
    assert sums[:, 2].tolist() == [0, 0]


def test_rarity_falls_with_frequency_and_ends_with_every_text():
    frequency = document_frequencies([[1, 1, 2], [1, 3], [1, 3]], 5)
    assert frequency.tolist() == [0, 3, 1, 2, 0]
    rarity = inverse_document_frequencies(frequency, 3)
    assert rarity[1] == 0
    assert rarity[0] > rarity[2] > rarity[3] > 0
