"""Personal ranking: the formula's promises."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.fusion import Fused
from attune.services.search.person import NOBODY, Acquaintance, Person
from attune.services.search.personal import MOST, personal_ranking, weigh


def fused(place: int, cosine: float = 0.5) -> Fused:
    return Fused(f"d{place}", 1 / (60 + place), {"dense": place}, {"dense": cosine})


def knowing(coverage: float = 0.0, **strengths: float) -> Person:
    known = {key: Acquaintance(key, key, value, reads=1) for key, value in strengths.items()}
    return Person(known, frozenset({"named"}), coverage)


PLAIN = [fused(place) for place in range(1, 21)]


def order(person: Person, entities: dict[int, tuple[str, ...]], weight: float = MOST) -> list[str]:
    listed = [entities.get(place, ()) for place in range(1, 21)]
    return [each.fused.id for each in personal_ranking(PLAIN, listed, person, weight)]


def test_for_nobody_the_plain_order_stays() -> None:
    assert order(NOBODY, {5: ("asyncio",)}) == [each.id for each in PLAIN]


def test_a_document_about_what_the_user_knows_climbs() -> None:
    assert order(knowing(asyncio=0.8), {8: ("asyncio",)})[0] == "d8"


def test_an_entity_of_every_document_moves_nothing_relative_to_the_others() -> None:
    everywhere = dict.fromkeys(range(1, 21), ("python",))
    assert order(knowing(python=0.9), everywhere) == [each.id for each in PLAIN]


def test_without_weight_nothing_moves() -> None:
    assert order(knowing(asyncio=0.9), {8: ("asyncio",)}, weight=0.0) == [each.id for each in PLAIN]


def test_no_documents_rank_to_nothing() -> None:
    assert personal_ranking([], [], NOBODY, MOST) == []


@pytest.mark.parametrize(
    ("person", "wanted", "lead", "expected", "reason"),
    [
        (knowing(asyncio=0.5), 0.0, 0.0, 0.0, "no personalization was asked for"),
        (NOBODY, 1.0, 0.0, 0.0, "met none"),
        (Person(is_withheld=True), 1.0, 0.0, 0.0, "does not allow"),
        (knowing(asyncio=0.5), 1.0, 0.0, MOST, "leaves open"),
        (knowing(asyncio=0.5), 0.5, 0.0, MOST / 2, "leaves open"),
        (knowing(coverage=1.0, asyncio=0.5), 1.0, 0.0, 0.0, "names what it wants"),
        (knowing(asyncio=0.5), 1.0, 0.5, 0.0, "by far the best"),
    ],
)
def test_the_weight_falls_with_what_the_query_says(
    person: Person, wanted: float, lead: float, expected: float, reason: str
) -> None:
    weight = weigh(person, [fused(1, 0.3 + lead), fused(2, 0.3)], [(), ()], wanted)
    assert weight.value == pytest.approx(expected)
    assert reason in weight.reason


def test_who_withholds_consent_is_told_once_with_the_mend() -> None:
    reason = weigh(Person(is_withheld=True), [fused(1, 0.3)], [()], 1.0).reason
    assert "this is the plain ranking" in reason
    assert "SetConsents grants it" in reason


def test_a_name_that_all_the_best_documents_bear_leaves_the_query_open() -> None:
    person = knowing(coverage=1.0, asyncio=0.5)
    assert weigh(person, PLAIN, [("named",)] * 20, 1.0).value == pytest.approx(MOST)
    assert weigh(person, PLAIN, [("named",)] * 2 + [()] * 18, 1.0).value == pytest.approx(MOST * 0.1)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=6),
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=20, max_size=20),
    st.floats(0, 2 * MOST),
)
def test_every_document_stays_and_every_score_is_the_sum_of_its_parts(
    strengths: dict[str, float], entities: list[list[str]], weight: float
) -> None:
    ranked = personal_ranking(PLAIN, entities, knowing(**strengths), weight)
    assert sorted(each.fused.id for each in ranked) == sorted(each.id for each in PLAIN)
    for each in ranked:
        assert 0 <= each.affinity < 1 or math.isclose(each.affinity, 1)
        assert each.score == pytest.approx(each.plain + weight * each.affinity)
