"""Doors: a query that stands alone and a context that has nothing to do with it do not meet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.leaning.doors import agrees, is_near, leans_back
from attune.services.search.leaning.gate import Asked, Gate
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.leaned import Interests, lean
from attune.services.search.leaning.mixing import Beside, Candidates

EAST, NORTH = np.eye(2, dtype=np.float32)
ALONE = Asked("signing of the test ban treaty", 4, 3.0)


def certain() -> Gate:
    """Lets through whatever it is asked."""
    closed = Gate.closed()
    return Gate(50.0, closed.weights, closed.means, closed.scales, 0.5)


def supported(support: np.ndarray) -> Beside:
    return Beside(np.linspace(0.9, 0.1, len(support)), support, np.arange(1, len(support) + 1))


def found_for_east() -> Candidates:
    """Ten documents in the east, which the plain ranking has first, and ten in the north."""
    base = np.linspace(1.0, 0.5, 20)
    return Candidates(np.stack([EAST] * 10 + [NORTH] * 10), base, base / 2, 0.5)


@pytest.mark.parametrize(
    "text",
    ["Tell me more about the first one.", "Can you compare the two?", "Yes, please!", "What\u2019s better for you?"],
)
def test_what_is_said_to_somebody_leans_back(text: str) -> None:
    assert leans_back(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "signing of the test ban treaty",
        "how to make a list of numbers in python",
        "What is the effect of vitamin D on bone density in older women?",
        "那第二个呢",
        "?!",
        "",
    ],
)
def test_what_stands_alone_and_what_is_not_english_does_not(text: str) -> None:
    assert leans_back(text) == 0


@given(st.text(max_size=40))
def test_every_text_is_weighed_between_0_and_1(text: str) -> None:
    assert 0 <= leans_back(text) <= 1


def test_a_context_agrees_that_is_near_what_the_query_has_found() -> None:
    base = np.linspace(1, 0.1, 30)
    near_the_best = supported(np.where(np.arange(30) < 10, 0.8, 0.2))
    near_the_rest = supported(np.where(np.arange(30) < 10, 0.2, 0.8))
    assert (agrees(base, near_the_best), agrees(base, near_the_rest)) == (1, 0)
    nothing = supported(np.full(30, 0.4))
    assert agrees(base, nothing) == 0
    assert agrees(base, nothing, barely=True) == pytest.approx(0.5, abs=1e-3)


@given(scale=st.floats(0.01, 100), shift=st.floats(-1, 1), seed=st.integers(0, 100))
def test_agreement_is_the_same_however_near_a_collection_lies(scale: float, shift: float, seed: int) -> None:
    base, support = np.random.default_rng(seed).random((2, 40))
    moved = supported(scale * support + shift)
    assert agrees(base, moved) == pytest.approx(agrees(base, supported(support)), abs=1e-3)


def test_ten_documents_say_nothing_of_agreement() -> None:
    assert agrees(np.linspace(1, 0.1, 10), supported(np.linspace(0.9, 0, 10))) == 0


@pytest.mark.parametrize(("cosine", "door"), [(0.9, 1.0), (0.7, pytest.approx(0.185, abs=0.01)), (0.3, 0.0), (-1, 0)])
def test_a_context_is_near_by_the_nearest_document(cosine: float, door: float) -> None:
    assert is_near(supported(np.zeros(5)), cosine) == door


def test_an_unrelated_context_changes_nothing_however_sure_the_gates_are() -> None:
    gates, north = Gates(certain(), certain(), certain()), Interests(NORTH[None], np.ones(1))
    documents = found_for_east()
    found = lean(ALONE, EAST, documents, gates, session=NORTH, statements=north, documents=north)
    assert np.array_equal(found.scores, documents.base)


def test_a_related_history_counts_by_the_gates() -> None:
    gates, east = Gates(certain(), Gate.closed(), certain()), Interests(EAST[None], np.ones(1))
    found = lean(ALONE, EAST, found_for_east(), gates, documents=east)
    assert found.documents is not None
    assert found.documents.weight > 0
