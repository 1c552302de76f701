"""When a system has borne it: each thing that must hold, one that does not at a time."""

from collections import Counter

import pytest

from attune.services.cli.measure.fuzz.calling import FAILED, LATE, OK, Outcomes
from attune.services.cli.measure.fuzz.verdict import MOST_GROWN_MIB, unreached, wrong

SEARCH, EMBED = "/attune.search.v1.SearchService/Search", "/attune.embedding.v1.EmbeddingService/Embed"


def of(**codes: int) -> Outcomes:
    """A system that answers one method well, and the other so."""
    return Outcomes({EMBED: Counter({OK: 500, "INVALID_ARGUMENT": 500}), SEARCH: Counter(codes)})


@pytest.mark.parametrize("code", [OK, "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"])
def test_a_method_is_reached_whose_answer_is_of_the_content(code: str) -> None:
    outcomes = of(**{code: 1, "UNAUTHENTICATED": 9})
    assert unreached(outcomes) == []
    assert list(wrong(outcomes, MOST_GROWN_MIB, 0)) == []


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", LATE, FAILED])
def test_a_method_is_not_reached_whose_callers_are_all_turned_away(code: str) -> None:
    outcomes = of(**{code: 3})
    assert unreached(outcomes) == [SEARCH]
    assert any(SEARCH in each for each in wrong(outcomes, 0, 0))


def test_memory_may_grow_up_to_a_bound() -> None:
    assert list(wrong(of(OK=1), MOST_GROWN_MIB + 1, 0)) == ["memory grew by 65 MiB, more than 64"]


def test_a_few_may_be_late() -> None:
    assert list(wrong(of(OK=990, **{LATE: 10}), 0, 0)) == []
    assert list(wrong(of(OK=979, **{LATE: 21}), 0, 0)) == ["21 of 2000 requests were late, more than 1%"]


def test_failures_and_texts_are_told() -> None:
    assert list(wrong(of(OK=1, **{FAILED: 2}), 0, 0)) == ["2 requests were answered as none may be"]
    assert list(wrong(of(OK=1), 0, 3)) == ["texts of requests are 3 times in logs and metrics"]
