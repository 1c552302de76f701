"""Probes: queries are moved to where passages with their tokens are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.augmentation.probes import Probes

VOCABULARY, SIZE, COMMON = 40, 16, 1


def unit(matrix: np.ndarray) -> np.ndarray:
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def collection() -> tuple[np.ndarray, list[list[int]]]:
    """Passages of five tokens, each of which leaves a trace in the vector; all have a common token."""
    random = np.random.default_rng(0)
    traces = random.normal(size=(VOCABULARY, SIZE))
    tokens = [[COMMON, *random.integers(2, VOCABULARY - 2, 5).tolist()] for _ in range(120)]
    vectors = unit(np.stack([traces[each[1:]].sum(0) + random.normal(0, 2, SIZE) for each in tokens]))
    return vectors, tokens


def test_a_query_is_nearer_to_the_passages_that_have_its_tokens(collection):
    vectors, tokens = collection
    probes = Probes.fitted([collection], VOCABULARY)
    assert probes is not None
    query = torch.from_numpy(unit(np.random.default_rng(1).normal(size=(1, SIZE))))
    token = tokens[7][2]
    has = np.array([token in each for each in tokens])
    for before, after in [(query, probes.change(query, probes.weigh([[COMMON, token]])))]:
        gained = vectors @ (after - before).numpy()[0]
        assert gained[has].mean() > gained[~has].mean() + 0.02
        assert float(after.norm()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("query", [[COMMON], [39], [38, 39, COMMON], [500]])
def test_only_unknown_tokens_or_common_ones_change_nothing(collection, query):
    probes = Probes.fitted([collection], VOCABULARY)
    vector = torch.from_numpy(unit(np.ones((1, SIZE))))
    torch.testing.assert_close(probes.change(vector, probes.weigh([query])), vector)


def test_a_query_moves_as_far_as_it_tells(collection):
    """With tokens of few passages all the way, with those of nearly all hardly."""
    vectors, tokens = collection
    nearly = 37
    probes = Probes.fitted([(vectors, [tokens[0], *([*each, nearly] for each in tokens[1:])])], VOCABULARY)
    query = torch.from_numpy(unit(np.ones((1, SIZE))))

    def moved(*ids: int) -> float:
        return float((probes.change(query, probes.weigh([ids])) - query).norm())

    far = moved(*range(2, 12))
    assert moved(*range(2, 8)) == pytest.approx(far, rel=0.3)
    assert moved(2) < 0.8 * far
    assert moved(nearly) < 0.05 * moved(2)
    anyway = replace(probes, enough=0.0)
    assert float((anyway.change(query, anyway.weigh([[nearly]])) - query).norm()) > 0.5 * far


def test_silent_tokens_have_no_probe(collection):
    probes = Probes.fitted([collection], VOCABULARY, silent={5})
    assert 5 not in probes.ids.tolist()
    assert COMMON not in probes.ids.tolist()


def test_collections_are_told_apart_within_themselves(collection):
    """Two collections that are far apart: a token of only one of them does not point to all of its passages."""
    vectors, tokens = collection
    far = unit(vectors + 5)
    others = [[COMMON, *(token if token < 20 else 2 for token in each[1:])] for each in tokens]
    probes = Probes.fitted([(vectors, tokens), (far, others)], VOCABULARY)
    towards = unit((far.mean(0) - vectors.mean(0))[None])[0]
    assert abs(float(np.median(probes.rows.numpy() @ towards))) < 0.3


def test_texts_that_no_token_tells_apart_have_no_probes():
    assert Probes.fitted([(unit(np.ones((20, SIZE))), [[COMMON]] * 20)], VOCABULARY) is None


def test_equal_passages_are_no_trouble():
    probes = Probes.fitted([(unit(np.ones((20, SIZE))), [[COMMON, 2 + row % 3] for row in range(20)])], VOCABULARY)
    assert bool(torch.isfinite(probes.rows).all())


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=30), min_size=1, max_size=5))
def test_any_query_stays_a_finite_vector_of_length_one(queries):
    random = np.random.default_rng(0)
    passages = [random.integers(0, VOCABULARY, 6).tolist() for _ in range(30)]
    probes = Probes.fitted([(unit(random.normal(size=(30, SIZE))), passages)], VOCABULARY)
    vectors = torch.from_numpy(unit(random.normal(size=(len(queries), SIZE))))
    changed = probes.change(vectors, probes.weigh(queries))
    torch.testing.assert_close(changed.norm(dim=1), torch.ones(len(queries)))
