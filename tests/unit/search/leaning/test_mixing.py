"""The formulas of leaning: what they give, and what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.leaning.gate import Asked, Gate
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.leaned import Interests, lean
from attune.services.search.leaning.mixing import Candidates, beside, leaned, mixed, nearest_interest

EAST, NORTH, WEST = np.eye(3, dtype=np.float32)[0], np.eye(3, dtype=np.float32)[1], -np.eye(3, dtype=np.float32)[0]
ASKED = Asked("and the other one?", 2, 3.0)


def open_gate(bias: float = 50.0) -> Gate:
    """Lets through whatever it is asked; with a bias below 0, nothing."""
    closed = Gate.closed()
    return Gate(bias, closed.weights, closed.means, closed.scales, 0.5)


def candidates(*vectors: np.ndarray) -> Candidates:
    base = np.linspace(1.0, 0.5, len(vectors))
    return Candidates(np.stack(vectors), base)


def units(count: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_mixed_is_a_unit_vector_between_query_and_context() -> None:
    found = mixed(EAST, NORTH, share=0.5)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    assert found @ EAST == pytest.approx(1 / np.sqrt(1.25), abs=1e-6)
    assert found @ NORTH == pytest.approx(0.5 / np.sqrt(1.25), abs=1e-6)


def test_a_context_that_undoes_the_query_makes_no_vector_of_nan() -> None:
    assert np.isfinite(mixed(EAST, WEST, share=1.0)).all()


def test_beside_ranks_by_the_query_and_by_what_supports() -> None:
    found = beside(candidates(EAST, NORTH, WEST), EAST, np.array([0.0, 1.0, 5.0]), share=0.5)
    assert found.ranks.tolist() == [2, 3, 1]  # 1 + 0, 0 + 0.5, -1 + 2.5
    assert found.shares.tolist() == pytest.approx([61 / 62, 61 / 63, 1.0])


def test_the_nearest_interest_counts_by_its_strength() -> None:
    near, which = nearest_interest(candidates(EAST, NORTH), np.stack([EAST, NORTH]), np.array([1.0, 0.5]))
    assert near.tolist() == [1.0, 0.5]
    assert which.tolist() == [0, 1]


def test_a_document_without_a_comparable_vector_keeps_its_score() -> None:
    documents = candidates(EAST, np.zeros(3, np.float32), NORTH)
    ranking = beside(documents, EAST, documents.cosines(NORTH), 0.6)
    parts = leaned(documents, ranking, 1.0)
    assert parts[1] == 0
    assert parts[0] != 0 or parts[2] != 0


@given(count=st.integers(1, 30), seed=st.integers(0, 1000), wanted=st.floats(0, 2))
def test_a_closed_gate_changes_no_score(count: int, seed: int, wanted: float) -> None:
    documents = Candidates(units(count, seed), np.sort(np.random.default_rng(seed).random(count))[::-1])
    session, interest = units(2, seed + 1)
    interests = Interests(interest[None], np.ones(1))
    found = lean(
        ASKED, units(1, seed + 2)[0], documents, Gates.closed(), session=session, interests=interests, wanted=wanted
    )
    assert np.array_equal(found.scores, documents.base)


@given(count=st.integers(1, 30), seed=st.integers(0, 1000), wanted=st.floats(0, 2))
def test_the_parts_add_up_and_scores_stay_between_0_and_1(count: int, seed: int, wanted: float) -> None:
    documents = Candidates(units(count, seed), np.random.default_rng(seed).random(count))
    gates = Gates(open_gate(), open_gate())
    session, interest = units(2, seed + 1)
    interests = Interests(interest[None], np.ones(1))
    found = lean(ASKED, units(1, seed + 2)[0], documents, gates, session=session, interests=interests, wanted=wanted)
    alone = lean(ASKED, units(1, seed + 2)[0], documents, gates, interests=interests, wanted=wanted)
    assert found.session is not None
    assert (found.user is None) == (found.session.weight > 0)
    for each in (found, alone):
        parts = [step.parts for step in (each.session, each.user) if step is not None]
        assert np.allclose(each.scores, documents.base + sum(parts))
    assert (found.scores >= 0).all()
    assert (found.scores <= 1 + 1e-9).all()


@given(seed=st.integers(0, 1000))
def test_nothing_wanted_is_the_base_ranking(seed: int) -> None:
    documents = Candidates(units(20, seed), np.linspace(1, 0.1, 20))
    gates = Gates(open_gate(), open_gate())
    found = lean(ASKED, units(1, seed)[0], documents, gates, session=units(1, seed + 1)[0], wanted=0.0)
    assert np.array_equal(found.scores, documents.base)


def test_without_contexts_nothing_is_added() -> None:
    found = lean(ASKED, EAST, candidates(EAST, NORTH), Gates(open_gate(), open_gate()))
    assert (found.session, found.user) == (None, None)


def test_what_was_said_before_lifts_what_is_near_to_it() -> None:
    query = mixed(EAST, NORTH, share=0.1)
    documents = Candidates(np.stack([EAST, mixed(EAST, NORTH, share=0.9)]), np.array([1.0, 0.9]))
    found = lean(ASKED, query, documents, Gates(open_gate(), open_gate()), session=NORTH)
    assert found.session is not None
    assert found.session.ranking.ranks.tolist() == [2, 1]
    assert found.session.parts[1] > 0 > found.session.parts[0]
