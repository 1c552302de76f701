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


OPEN = Gates(open_gate(), open_gate(), open_gate())


def of(vectors: np.ndarray, base: np.ndarray) -> Candidates:
    """Half of each score is from the dense ranking, whose first has half a point."""
    return Candidates(vectors, base, base / 2, 0.5)


def candidates(*vectors: np.ndarray) -> Candidates:
    base = np.linspace(1.0, 0.5, len(vectors))
    return of(np.stack(vectors), base)


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
    parts = leaned(documents, ranking)
    assert parts[1] == 0
    assert parts[0] != 0 or parts[2] != 0


@given(count=st.integers(1, 30), seed=st.integers(0, 1000), wanted=st.floats(0, 2))
def test_a_closed_gate_changes_no_score(count: int, seed: int, wanted: float) -> None:
    documents = of(units(count, seed), np.sort(np.random.default_rng(seed).random(count))[::-1])
    session, interest = units(2, seed + 1)
    interests = Interests(interest[None], np.ones(1))
    found = lean(
        ASKED, units(1, seed + 2)[0], documents, Gates.closed(), session=session, statements=interests, wanted=wanted
    )
    assert np.array_equal(found.scores, documents.base)


@given(count=st.integers(1, 30), seed=st.integers(0, 1000), wanted=st.floats(0, 2))
def test_the_parts_add_up_and_scores_stay_between_0_and_1(count: int, seed: int, wanted: float) -> None:
    documents = of(units(count, seed), np.random.default_rng(seed).random(count))
    gates = OPEN
    session, interest = units(2, seed + 1)
    interests = Interests(interest[None], np.ones(1))
    found = lean(ASKED, units(1, seed + 2)[0], documents, gates, session=session, statements=interests, wanted=wanted)
    alone = lean(ASKED, units(1, seed + 2)[0], documents, gates, statements=interests, wanted=wanted)
    assert found.session is not None
    assert (found.statements is None) == (found.session.weight > 0)
    for each in (found, alone):
        assert np.allclose(each.scores, documents.base + sum(step.parts for step in each.steps))
    assert (found.scores >= 0).all()
    assert (found.scores <= 1 + 1e-9).all()


@given(seed=st.integers(0, 1000))
def test_nothing_wanted_is_the_base_ranking(seed: int) -> None:
    documents = of(units(20, seed), np.linspace(1, 0.1, 20))
    gates = OPEN
    found = lean(ASKED, units(1, seed)[0], documents, gates, session=units(1, seed + 1)[0], wanted=0.0)
    assert np.array_equal(found.scores, documents.base)


def test_without_contexts_nothing_is_added() -> None:
    found = lean(ASKED, EAST, candidates(EAST, NORTH), OPEN)
    assert found.steps == []


def test_what_was_said_before_lifts_what_is_near_to_it() -> None:
    query = mixed(EAST, NORTH, share=0.1)
    documents = of(np.stack([EAST, mixed(EAST, NORTH, share=0.9)]), np.array([1.0, 0.9]))
    found = lean(ASKED, query, documents, OPEN, session=NORTH)
    assert found.session is not None
    assert found.session.ranking.ranks.tolist() == [2, 1]
    assert found.session.parts[1] > 0 > found.session.parts[0]


def test_of_statements_and_documents_the_kind_counts_that_is_foreseen_to_help_more() -> None:
    documents = candidates(*[EAST] * 10, *[NORTH] * 10)
    kinds = {"statements": Interests(NORTH[None], np.ones(1)), "documents": Interests(EAST[None], np.ones(1))}
    for said, read in ((0.15, 0.1), (0.05, 0.1)):
        gates = Gates(open_gate(-50), open_gate(said), open_gate(read))
        found = lean(ASKED, EAST, documents, gates, **kinds)  # type: ignore[arg-type]
        assert found.statements is not None
        assert found.documents is not None
        assert (found.statements.weight > 0, found.documents.weight > 0) == (said > read, read > said)
        loser = found.documents if said > read else found.statements
        assert not loser.parts.any()


def test_words_keep_what_they_gave_where_a_document_that_was_read_speaks() -> None:
    """Documents of no dense rank and all of their score by words lose nothing, wherever the cosines have them."""
    base, dense = np.repeat([0.9, 0.8], 12), np.repeat([0.5, 0.0], 12)
    documents = Candidates(np.stack([EAST] * 12 + [WEST] * 12), base, dense, 0.5)
    found = lean(ASKED, EAST, documents, OPEN, documents=Interests(EAST[None], np.ones(1)))
    assert found.documents is not None
    assert found.documents.weight > 0
    assert (found.scores[12:] >= documents.base[12:]).all()
