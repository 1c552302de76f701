"""Filters of requests: what is refused is refused with its path, and named with what is declared."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.errors import ServiceError
from attune.services.search.filtering import problem_of, to_filter
from attune.services.search.index.fields import (
    DeclaredFields,
    FieldDeclarationError,
    FieldType,
    from_stored,
    to_stored,
)
from attune.services.search.index.narrowing import AllOf, AnyOf, Between, EqualsAny, Exists, Not

DECLARED = DeclaredFields.parse("topic:keyword, year:number, at:time, open:boolean")


def message(content: dict[str, Any]) -> pb.Filter:
    return ParseDict(content, pb.Filter())


def condition(field: str, **test: Any) -> dict[str, Any]:
    return {"condition": {"field": field, **test}}


def values(*each: dict[str, Any]) -> dict[str, Any]:
    return {"values": list(each)}


def test_a_filter_of_every_kind_is_taken() -> None:
    content = {
        "all": {
            "filters": [
                condition("topic", equals_any=values({"keyword": "a"}, {"keywords": {"values": ["b", "c"]}})),
                {
                    "any": {
                        "filters": [condition("open", exists=False), condition("year", range={"gte": {"number": 1}})]
                    }
                },
                {"not": condition("open", equals_any=values({"boolean": True}))},
            ]
        }
    }
    assert to_filter(message(content), DECLARED) == AllOf(
        (
            EqualsAny("topic", ("a", "b", "c")),
            AnyOf((Not(Exists("open")), Between("year", gte=1.0))),
            Not(EqualsAny("open", (True,))),
        )
    )


@pytest.mark.parametrize(
    ("content", "field", "problem"),
    [
        (
            condition("colour", exists=True),
            "filter.condition.field",
            "no field 'colour' is declared: ATTUNE_SEARCH_FIELDS declares topic (keyword), year (number), at (time)",
        ),
        (
            {"all": {"filters": [condition("open", exists=True), {"not": condition("Year", exists=True)}]}},
            "filter.all.filters[1].not.condition.field",
            "no field 'Year' is declared",
        ),
        (
            condition("year", equals_any=values({"number": 1}, {"keyword": "1"})),
            "filter.condition.equals_any.values[1]",
            "the field 'year' is declared as number, and this is a keyword: give a number",
        ),
        (
            condition("at", range={"gte": {"number": 1}}),
            "filter.condition.range.gte",
            "the field 'at' is declared as time, and this is a number",
        ),
        (
            condition("topic", range={"lt": {"keyword": "b"}}),
            "filter.condition.range",
            "the field 'topic' is declared as keyword, which has no order: use equals_any",
        ),
        (condition("open", range={"lt": {"boolean": True}}), "filter.condition.range", "which has no order"),
        (condition("year", range={}), "filter.condition.range", "has no bound: give gte, gt, lte or lt"),
        (condition("year", range={"gt": {"number": "Infinity"}}), "filter.condition.range.gt", "is not finite"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(content: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(ServiceError) as caught:
        to_filter(message(content), DECLARED)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert problem in violation.description


def test_a_filter_that_is_too_deep_or_too_long_is_refused() -> None:
    deep = condition("open", exists=True)
    for _ in range(8):
        deep = {"not": deep}
    with pytest.raises(ServiceError, match="nested deeper than 8 filters"):
        to_filter(message(deep), DECLARED)
    many = {"any": {"filters": [condition("open", exists=True)] * 64}}
    with pytest.raises(ServiceError, match="has 320 conditions: give at most 256"):
        to_filter(message({"all": {"filters": [many] * 5}}), DECLARED)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("year", "'year': a type is one of keyword, number, time, boolean"),
        ("year:integer", "a type is one of"),
        (":number", "a name has small letters, digits and _"),
        ("Year:number", "a name has small letters"),
        ("a.b:number", "a name has small letters"),
        ("year:number, year:keyword", "year is declared twice"),
        (",".join(f"f{i}:number" for i in range(65)), "65 fields: declare at most 64"),
    ],
)
def test_a_wrong_declaration_is_told(text: str, problem: str) -> None:
    with pytest.raises(FieldDeclarationError, match=problem.replace("(", r"\(")):
        DeclaredFields.parse(text)


def test_nothing_may_be_declared() -> None:
    assert DeclaredFields.parse(" , ").types == {}
    assert (
        problem_of("year", 1.0, DeclaredFields()) == "no field 'year' is declared: ATTUNE_SEARCH_FIELDS declares none"
    )


def test_what_is_not_declared_any_more_is_taken_as_it_looks() -> None:
    assert from_stored(to_stored(True), None) == "true"
    assert from_stored(to_stored(True), FieldType.BOOLEAN) is True
    assert from_stored(7, None) == 7.0
