"""Bags of tokens: their weights, and their sums without a matrix of all tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.bags import Bags, bag, document_frequencies, inverse_document_frequencies

WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5, 3.0], np.float32)
SEQUENCES = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=6)


def test_a_rare_token_and_a_frequent_mention_count_more():
    ids, shares = bag([1, 1, 2, 3], WEIGHTS)
    once = dict(zip(*bag([1, 2, 3], WEIGHTS), strict=True))
    assert ids.tolist() == [1, 2, 3]
    assert float(np.linalg.norm(shares)) == pytest.approx(1)
    assert shares[0] / shares[1] > once[1] / once[2]
    assert once[2] > once[1] > once[3]


def test_what_is_beyond_the_vocabulary_or_tells_nothing_is_left_out():
    assert bag([9, 7], WEIGHTS)[0].tolist() == []
    assert bag([0, 0], WEIGHTS)[1].tolist() == [0]


@settings(deadline=None)
@given(SEQUENCES, st.booleans())
def test_sums_are_those_of_the_whole_matrix(sequences, some_known):
    known = torch.tensor([1, 2, 4]) if some_known else torch.arange(len(WEIGHTS))
    rows = torch.randn(len(known), 3, generator=torch.Generator().manual_seed(0))
    matrix = torch.zeros(len(sequences), len(WEIGHTS))
    for row, sequence in enumerate(sequences):
        ids, shares = bag(sequence, WEIGHTS)
        matrix[row, torch.from_numpy(ids)] = torch.from_numpy(shares)
    found = Bags.of(sequences, WEIGHTS).sums(rows, known if some_known else None)
    torch.testing.assert_close(found, matrix[:, known] @ rows)


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
