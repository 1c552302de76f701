"""What every index engine must do alike with filters, principals and languages: they narrow what is ranked, exactly."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import DIMENSION, FIELDS, Opener

from attune.services.search.index.errors import IndexMismatchError
from attune.services.search.index.fields import DeclaredFields, FieldValue
from attune.services.search.index.narrowing import (
    AllOf,
    AnyOf,
    Between,
    EqualsAny,
    Exists,
    Filter,
    Not,
    Within,
)
from attune.services.search.index.port import Candidate, Document, Index, IndexedDocument

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
VECTOR = np.ones(DIMENSION, np.float32)


def put(index: Index, *documents: Document, tenant: str = "acme") -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((len(documents), DIMENSION)).astype(np.float32)
    index.upsert(tenant, [IndexedDocument.of(each) for each in documents], vectors)
    return vectors


def with_fields(document_id: str, **fields: FieldValue) -> Document:
    return Document(document_id, "", "word", "d", fields=fields)


def seen(index: Index, within: Within, text: str = "word") -> set[str]:
    """By both rankings, which must find the same."""
    by_meaning = {each.id for each in index.dense("acme", VECTOR, 100, within=within)}
    assert {each.id for each in index.bm25("acme", text, 100, within=within)} == by_meaning
    return by_meaning


def found(index: Index, wanted: Filter) -> set[str]:
    return seen(index, Within(filter=wanted))


def test_fields_come_back_as_they_went_in(index: Index) -> None:
    at = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
    full = with_fields("1", topic=("a", "b"), year=2024.5, at=at, open=False)
    put(index, full, with_fields("2", topic="a", open=True))
    assert index.get("acme", "1") == full
    assert index.get("acme", "2") == with_fields("2", topic="a", open=True)


def test_each_condition_finds_its_documents(index: Index) -> None:
    put(
        index,
        with_fields("k", topic="a"),
        with_fields("kk", topic=("b", "c")),
        with_fields("n", year=2020.0),
        with_fields("nn", year=-0.5),
        with_fields("t", at=NEW_YEAR),
        with_fields("tt", at=NEW_YEAR + timedelta(microseconds=1)),
        with_fields("yes", open=True),
        with_fields("no", open=False),
        with_fields("none"),
    )
    assert found(index, EqualsAny("topic", ("a", "c"))) == {"k", "kk"}
    assert found(index, EqualsAny("topic", ("A",))) == set()
    assert found(index, EqualsAny("year", (2020.0, 7.0))) == {"n"}
    assert found(index, EqualsAny("at", (NEW_YEAR,))) == {"t"}
    assert found(index, EqualsAny("open", (True,))) == {"yes"}
    assert found(index, EqualsAny("open", (True, False))) == {"yes", "no"}
    assert found(index, Between("year", gte=-0.5, lt=2020.0)) == {"nn"}
    assert found(index, Between("year", gt=-0.5)) == {"n"}
    assert found(index, Between("at", gt=NEW_YEAR)) == {"tt"}
    assert found(index, Between("at", lte=NEW_YEAR)) == {"t"}
    assert found(index, Exists("topic")) == {"k", "kk"}
    assert found(index, Not(Exists("topic"))) == {"n", "nn", "t", "tt", "yes", "no", "none"}
    assert found(index, AllOf((Exists("open"), Not(EqualsAny("open", (True,)))))) == {"no"}
    assert found(index, AnyOf((EqualsAny("topic", ("a",)), Between("year", lt=0.0)))) == {"k", "nn"}


def test_a_filter_costs_no_hits(index: Index) -> None:
    """It narrows what is ranked: those that come are not what is left of the best of all."""
    many = [with_fields(f"{i:03}", year=float(i)) for i in range(200)]
    vectors = put(index, *many)
    query = vectors[0]
    within = Within(filter=Between("year", gte=150.0))
    cosine = vectors @ query / np.linalg.norm(vectors, axis=1)
    expected = [f"{i:03}" for i in sorted(range(150, 200), key=lambda i: -cosine[i])[:10]]
    assert [each.id for each in index.dense("acme", query, 10, within=within)] == expected
    assert len(index.bm25("acme", "word", 10, within=within)) == 10


def test_a_filter_changes_no_score(index: Index) -> None:
    put(index, with_fields("1", year=1.0), with_fields("2", year=2.0), Document("3", "", "other", "d"))
    scores = {each.id: each.score for each in index.bm25("acme", "word", 10)}
    assert index.bm25("acme", "word", 10, within=Within(filter=EqualsAny("year", (2.0,)))) == [
        Candidate("2", pytest.approx(scores["2"]))
    ]


FILTERS = st.recursive(
    st.one_of(
        st.builds(EqualsAny, st.just("topic"), st.lists(st.sampled_from("abcz"), min_size=1, max_size=3).map(tuple)),
        st.builds(EqualsAny, st.just("year"), st.lists(st.sampled_from([0.0, 1.5, 9.0]), min_size=1).map(tuple)),
        st.builds(EqualsAny, st.just("open"), st.lists(st.booleans(), min_size=1).map(tuple)),
        st.builds(Between, st.just("year"), gte=st.sampled_from([0.0, 1.0]), lt=st.sampled_from([None, 1.5, 2.0])),
        st.builds(Between, st.just("at"), gt=st.just(NEW_YEAR), lte=st.sampled_from([None, NEW_YEAR])),
        st.builds(Exists, st.sampled_from(["topic", "year", "at", "open"])),
    ),
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=5,
)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "topic": st.one_of(
                st.sampled_from("abc"), st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(tuple)
            ),
            "year": st.sampled_from([0.0, 1.0, 1.5, 2.0]),
            "at": st.sampled_from([NEW_YEAR, NEW_YEAR + timedelta(days=1)]),
            "open": st.booleans(),
        },
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=DOCUMENTS, wanted=FILTERS)
def test_a_search_with_a_filter_is_exact_search_over_the_filtered(
    index: Index, fields: list[dict[str, FieldValue]], wanted: Filter
) -> None:
    index.delete("acme", [str(i) for i in range(8)])
    documents = [with_fields(str(i), **each) for i, each in enumerate(fields)]
    vectors = put(index, *documents)
    cosine = vectors @ VECTOR / np.linalg.norm(vectors, axis=1)
    expected = sorted((i for i, each in enumerate(fields) if holds(wanted, each)), key=lambda i: -cosine[i])
    within = Within(filter=wanted)
    assert [each.id for each in index.dense("acme", VECTOR, 100, within=within)] == [str(i) for i in expected]
    assert {each.id for each in index.bm25("acme", "word", 100, within=within)} == {str(i) for i in expected}


def holds(wanted: Filter, fields: dict[str, FieldValue]) -> bool:
    """A filter, in plain Python."""
    match wanted:
        case AllOf(parts):
            return all(holds(part, fields) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields) for part in parts)
        case Not(part):
            return not holds(part, fields)
    value = fields.get(wanted.field)
    if value is None or isinstance(wanted, Exists):
        return value is not None
    if isinstance(wanted, EqualsAny):
        return bool(set(value if isinstance(value, tuple) else (value,)) & set(wanted.values))
    compare = {"gte": "__ge__", "gt": "__gt__", "lte": "__le__", "lt": "__lt__"}
    return all(getattr(value, compare[name])(bound) for name, bound in wanted.bounds.items())


# Principals


def for_some(document_id: str, *principals: str, domain: str = "d") -> Document:
    return Document(document_id, "", "word", domain, principals=principals)


@pytest.mark.parametrize(
    ("principals", "expected"),
    [
        (None, {"all", "staff", "both"}),
        ((), {"all"}),
        (("staff",), {"all", "staff", "both"}),
        (("guests", "board"), {"all", "both"}),
        (("Staff", "staff ", ""), {"all"}),
    ],
)
def test_a_caller_sees_what_names_a_principal_of_theirs_or_none(
    index: Index, principals: tuple[str, ...] | None, expected: set[str]
) -> None:
    put(index, for_some("all"), for_some("staff", "staff"), for_some("both", "staff", "board"))
    assert seen(index, Within(principals)) == expected
    assert set(index.documents("acme", ["all", "staff", "both"], principals)) == expected
    assert {each for each in ("all", "staff", "both") if index.get("acme", each, principals)} == expected


def test_no_filter_gets_around_principals(index: Index) -> None:
    put(index, Document("secret", "", "word", "d", fields={"topic": "a"}, principals=("board",)))
    for wanted in (Exists("topic"), Not(EqualsAny("topic", ("b",))), AnyOf((Exists("topic"), Not(Exists("topic"))))):
        assert seen(index, Within(("staff",), filter=wanted)) == set()


def test_nothing_tells_of_a_domain_or_a_space_that_the_caller_may_not_see(index: Index) -> None:
    hidden = for_some("1", "board", domain="takeovers")
    index.upsert("acme", [IndexedDocument.of(hidden, "law@1")], VECTOR[None])
    assert index.inhabited("acme", ["takeovers"], ("staff",)) == frozenset()
    assert index.inhabited("acme", ["takeovers"], ()) == frozenset()
    assert index.inhabited_spaces("acme", ["law@1"], ("staff",)) == frozenset()
    assert index.inhabited("acme", ["takeovers"], ("board",)) == {"takeovers"}
    assert index.inhabited_spaces("acme", ["law@1"], ("board",)) == {"law@1"}


def test_who_may_see_a_document_can_change(index: Index) -> None:
    put(index, for_some("1"))
    put(index, for_some("1", "board"))
    assert seen(index, Within(())) == set()
    put(index, for_some("1"))
    assert seen(index, Within(())) == {"1"}
    digests = {IndexedDocument.of(for_some("1", *named)).digest for named in ((), ("a",), ("a", "b"), ("b", "a"))}
    assert len(digests) == 3


# Languages


def in_language(document_id: str, language: str, text: str) -> Document:
    return Document(document_id, "", text, "d", language=language)


def test_searches_narrow_to_languages_and_their_regions(index: Index) -> None:
    put(index, *(in_language(each or "none", each, "word") for each in ("", "en", "pt", "pt-BR", "PT-pt", "xx")))

    def tagged(*tags: str) -> set[str]:
        return {each.id for each in index.dense("acme", VECTOR, 10, within=Within(languages=tags))}

    assert tagged("pt") == tagged("PT") == {"pt", "pt-BR", "PT-pt"}
    assert tagged("pt-br") == {"pt-BR"}
    assert tagged("en", "xx") == {"en", "xx"}
    assert tagged("fr") == set()
    assert len(tagged()) == 6
    stored = index.get("acme", "pt-BR")
    assert stored is not None
    assert stored.language == "pt-BR"


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", "die Häuser der Stadt", "Haus"),
        ("fr", "les chevaux galopent", "cheval galoper"),
        ("en", "running engines", "engine runs"),
        ("ja", "日本語の文章を検索する", "文章"),
        ("zh", "我们搜索中文文档", "中文"),
        ("xx", "running engines", "Engines"),
    ],
)
def test_words_are_found_as_in_their_language(index: Index, language: str, text: str, query: str) -> None:
    put(index, in_language("1", language, text), in_language("2", language, "something unrelated"))
    assert [each.id for each in index.bm25("acme", query, 10, within=Within(languages=(language,)))] == ["1"]


def test_a_query_is_stemmed_as_in_each_of_several_languages(index: Index) -> None:
    put(index, in_language("de", "de", "Häuser"), in_language("en", "en", "running"), in_language("fr", "fr", "haus"))
    within = Within(languages=("de", "en"))
    assert {each.id for each in index.bm25("acme", "Haus runs", 10, within=within)} == {"de", "en"}


def test_words_of_no_known_language_are_neither_stemmed_nor_dropped(index: Index) -> None:
    put(index, in_language("1", "xx", "the engines"))
    within = Within(languages=("xx",))
    assert index.bm25("acme", "engine", 10, within=within) == []
    assert [each.id for each in index.bm25("acme", "the", 10, within=within)] == ["1"]


# A changed declaration


def test_a_field_that_is_declared_later_can_be_filtered_by(open_index: Opener) -> None:
    first = open_index(fields=DeclaredFields())
    put(first, Document("1", "", "word", "d"))
    first.close()
    second = open_index(fields=DeclaredFields.parse("year:number"))
    put(second, with_fields("2", year=1.0))
    assert found(second, Exists("year")) == {"2"}
    second.close()


def test_a_field_that_is_declared_no_more_keeps_its_values_and_its_type(open_index: Opener) -> None:
    first = open_index()
    put(first, with_fields("1", year=1.0, open=True))
    first.close()
    without = open_index(fields=DeclaredFields())
    stored = without.get("acme", "1")
    assert stored is not None
    assert stored.fields["year"] == 1.0
    without.close()
    with pytest.raises(IndexMismatchError, match=r"field year as number \(this service: keyword\)"):
        open_index(fields=DeclaredFields.parse("year:keyword"))
    again = open_index()
    assert found(again, EqualsAny("year", (1.0,))) == {"1"}
    again.close()


def test_a_field_of_another_type_is_refused_with_the_mend(open_index: Opener) -> None:
    open_index().close()
    other = DeclaredFields(dict(FIELDS.types) | dict(DeclaredFields.parse("topic:number").types))
    with pytest.raises(IndexMismatchError, match=r"field topic as keyword \(this service: number\): declare its type"):
        open_index(fields=other)
