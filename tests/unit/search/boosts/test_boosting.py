"""Boosts in a ranking: the declared sums, explained, for everybody alike."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.conftest import DIMENSION, Services

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.metrics import Metrics
from attune.services.search.boosts.boosting import boosted
from attune.services.search.boosts.declared import Boost, DeclaredBoosts
from attune.services.search.boosts.formulas import Formula, Keyword, Number, Recency
from attune.services.search.comparing.plan import Assignment
from attune.services.search.explain import explain
from attune.services.search.fusion import Fused, in_plain_order
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.ordering import Draw, Ordering
from attune.services.search.person import NOBODY, Acquaintance, Person
from attune.services.search.personal import personal_ranking
from attune.services.search.ranking.rankings import PERSONAL, PLAIN
from attune.services.search.ranking.rankings import Formula as RankingFormula
from attune.services.search.ranking.token import Method
from attune.services.search.service import Configured, SearchServicer

NOW = datetime(2026, 11, 29, tzinfo=UTC)
FRESH = Recency(kind="recency", field="at", half_life_days=10, weight=0.4)
SALES = Number(kind="number", field="sales", weight=0.1)
AS_IS = Number(kind="number", field="sales", weight=0.1, scale="as_is", at_most=0.5)
OURS = Keyword(kind="keyword", field="brand", any_of=["acme", "globex"], weight=0.3)


def of(**attributes: str) -> Document:
    return Document("d", "title", "text", "", attributes=attributes)


@pytest.mark.parametrize(
    ("formula", "attributes", "expected"),
    [
        (FRESH, {"at": "2026-11-29"}, 0.4),
        (FRESH, {"at": "2026-11-19"}, 0.2),
        (FRESH, {"at": "2026-11-09"}, 0.1),
        (FRESH, {"at": "2031-01-01"}, 0.4),
        (FRESH, {"at": "0001-01-01"}, 0.0),
        (SALES, {"sales": str(np.expm1(3.0))}, 0.3),
        (SALES, {"sales": "-7"}, 0.0),
        (SALES, {"sales": "1e300"}, 1.0),
        (AS_IS, {"sales": "2"}, 0.2),
        (AS_IS, {"sales": "-2"}, -0.2),
        (AS_IS, {"sales": "-1e300"}, -0.5),
        (OURS, {"brand": "globex"}, 0.3),
        (OURS, {"brand": "Acme"}, 0.0),
    ],
)
def test_the_formulas_are_the_declared_ones(formula: Formula, attributes: dict[str, str], expected: float) -> None:
    value = formula.value(of(**attributes), NOW)
    assert value is not None
    assert formula.contribution(value) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("formula", [FRESH, SALES, OURS])
def test_a_document_without_the_field_gets_nothing(formula: Formula) -> None:
    assert formula.value(of(), NOW) is None


def candidates(count: int) -> list[Fused]:
    return [Fused(f"d{i}", 1 / (60 + i), {"dense": i}, {"dense": 0.5}) for i in range(1, count + 1)]


def with_attributes(fused: Sequence[Fused], attributes: Mapping[str, dict[str, str]]) -> dict[str, Document]:
    return {each.id: Document(each.id, "t", "", "", attributes=attributes.get(each.id, {})) for each in fused}


def boosts(*formulas: Formula, asked: bool = True) -> list[Boost]:
    return [Boost(f"b{place}", formula, asked) for place, formula in enumerate(formulas)]


ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "at": st.sampled_from(["2026-11-28", "2026-01-01", "yesterday", ""]),
        "sales": st.sampled_from(["0", "12", "1e9", "-3", "many"]),
        "brand": st.sampled_from(["acme", "globex", "other"]),
    },
)


@given(
    attributes=st.dictionaries(st.integers(1, 30).map(lambda i: f"d{i}"), ATTRIBUTES),
    formulas=st.lists(st.sampled_from([FRESH, SALES, AS_IS, OURS]), max_size=4),
    known=st.dictionaries(st.integers(1, 30), st.floats(0.1, 1.0), max_size=5),
    weight=st.floats(0, 2),
    page_size=st.integers(1, 40),
)
def test_parts_add_up_and_the_winner_for_everybody_stays_on_the_first_page(
    attributes: dict[str, dict[str, str]],
    formulas: list[Formula],
    known: dict[int, float],
    weight: float,
    page_size: int,
) -> None:
    fused = candidates(30)
    found, _ = boosted(boosts(*formulas), fused, with_attributes(fused, attributes), NOW)
    assert found == in_plain_order(found)
    person = Person({f"e{key}": Acquaintance(f"e{key}", "x", strength, reads=1) for key, strength in known.items()})
    entities = [(f"e{each.id[1:]}",) for each in found]
    ranked = personal_ranking(found, entities, person, weight)
    by_formula = Assignment((PERSONAL,), Method.NOTHING, None)
    ordering = Ordering(ranked, entities, {name: RankingFormula(name) for name in (PLAIN, PERSONAL)})
    page = ordering.whole(Draw(page_size, "q"), by_formula, PERSONAL).hits(0, page_size)
    assert found[0].id in [each.ranked.fused.id for each in page]
    for each in ranked:
        assert sum(part.contribution for part in explain(each).parts) == pytest.approx(each.score, abs=1e-9)
    for_nobody = personal_ranking(found, [()] * len(found), NOBODY, weight)
    assert [each.fused.id for each in for_nobody] == [each.id for each in found]


def test_without_boosts_nothing_changes() -> None:
    fused = candidates(5)
    assert boosted([], fused, {}, NOW) == (fused, ())
    assert boosted(boosts(FRESH), [], {}, NOW) == ([], ())


def test_what_cannot_be_read_is_left_out_and_told() -> None:
    fused = candidates(3)
    documents = with_attributes(fused, {"d1": {"sales": "many"}, "d2": {"sales": "12"}})
    found, notices = boosted(boosts(SALES), fused, documents, NOW)
    assert [each.id for each in found] == ["d2", "d1", "d3"]
    (notice,) = notices
    assert notice.startswith("boosts: 'b0' left out 1 of 3 documents, whose 'sales' cannot be read; index them again")


def test_a_boost_that_was_asked_for_and_touches_nothing_is_told() -> None:
    fused = candidates(2)
    (notice,) = boosted(boosts(SALES), fused, with_attributes(fused, {}), NOW)[1]
    assert notice.startswith("boosts: 'b0' changed nothing, as none of the 2 documents found has 'sales'; index")
    assert boosted(boosts(SALES, asked=False), fused, with_attributes(fused, {}), NOW)[1] == []


@pytest.fixture
def servicer(small_index: Index) -> SearchServicer:
    ages = [300, 0, 30]
    documents = [
        Document(f"d{i}", "words", "", "", attributes={"at": (NOW - timedelta(days=age)).date().isoformat()})
        for i, age in enumerate(ages)
    ]
    small_index.upsert("acme", [IndexedDocument.of(each) for each in documents], np.ones((3, DIMENSION), np.float32))
    declared = DeclaredBoosts({"fresh": FRESH})
    return SearchServicer(small_index, Services(), lambda: NOW, Metrics(), configured=Configured(boosts=declared))  # type: ignore[arg-type]


async def ask(servicer: SearchServicer, *choices: pb.Boost) -> pb.SearchResponse:
    enter_call(Call("Search", "acme", float("inf")))
    return await servicer.Search(pb.SearchRequest(query="words", boosts=choices), None)  # type: ignore[arg-type]


async def test_a_search_counts_what_it_chooses_and_explains_it(servicer: SearchServicer) -> None:
    assert [hit.document.document_id for hit in (await ask(servicer)).hits] == ["d0", "d1", "d2"]
    answer = await ask(servicer, pb.Boost(name="fresh"))
    assert [hit.document.document_id for hit in answer.hits] == ["d1", "d2", "d0"]
    parts = {part.name: part for part in answer.hits[0].explanation.parts}
    assert parts["boost:fresh"].contribution == pytest.approx(0.4)
    assert parts["boost:fresh"].value == pytest.approx(1.0)
    assert not parts["boost:fresh"].HasField("rank")
    assert answer.hits[0].explanation.plain_rank == 1
    assert answer.hits[0].score == pytest.approx(sum(part.contribution for part in parts.values()))


async def test_another_weight_counts_for_one_request(servicer: SearchServicer) -> None:
    assert (await ask(servicer, pb.Boost(name="fresh", weight=-2))).hits[0].document.document_id == "d0"
    assert [hit.document.document_id for hit in (await ask(servicer)).hits] == ["d0", "d1", "d2"]
