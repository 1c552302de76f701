"""Options that are lists."""

import pytest

from attune.services.cli.measure.embedding.plan import Load, Plan, parse_concurrency, parse_loads
from attune.services.cli.measure.errors import BenchError


def test_loads_are_named_with_commas_between_them() -> None:
    assert parse_loads("zipf, q8") == (Load.ZIPF, Load.Q8)


@pytest.mark.parametrize("text", ["", "q9", "q8,", "Q8"])
def test_an_unknown_load_is_named_with_those_that_exist(text: str) -> None:
    with pytest.raises(BenchError, match=f"--loads {text}: use names from q8, p128, zipf"):
        parse_loads(text)


def test_concurrency_is_a_list_of_numbers() -> None:
    assert parse_concurrency("1,8, 64") == (1, 8, 64)
    assert Plan(concurrency=(8, 64, 1)).most_callers == 64


@pytest.mark.parametrize("text", ["", "0", "1,-8", "1.5", "many"])
def test_impossible_numbers_of_callers_are_refused(text: str) -> None:
    with pytest.raises(BenchError, match=f"--concurrency {text}: use whole numbers"):
        parse_concurrency(text)
