"""The file that declares boosts, and what a request may choose of it."""

import json
from pathlib import Path

import pytest

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.config import ConfigError
from attune.services.runtime.errors import ServiceError
from attune.services.search.boosts.declared import DeclaredBoosts
from attune.services.search.index.fields import DeclaredFields

FRESH = {"kind": "recency", "field": "published_at", "half_life_days": 30, "weight": 0.2, "default": True}
SALES = {"kind": "number", "field": "sales", "weight": 0.02}
OURS = {"kind": "keyword", "field": "brand", "any_of": ["acme"], "weight": 0.1}
ALL = {"boosts": {"fresh": FRESH, "sales": SALES, "ours": OURS}}


def declared(directory: Path, content: object, fields: str = "") -> DeclaredBoosts:
    file = directory / "boosts.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return DeclaredBoosts.read(file, DeclaredFields.parse(fields))


def test_a_file_declares_formulas(tmp_path: Path) -> None:
    assert list(declared(tmp_path, ALL).formulas) == ["fresh", "sales", "ours"]
    assert DeclaredBoosts.read(None).formulas == {}


def test_a_filter_field_must_be_of_the_type_that_the_boost_needs(tmp_path: Path) -> None:
    assert declared(tmp_path, ALL, "published_at:time,sales:number,brand:keyword,open:boolean").formulas
    with pytest.raises(ConfigError, match=r"boosts.fresh.field: published_at is a keyword field.*needs a time"):
        declared(tmp_path, ALL, "published_at:keyword")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fresh": FRESH | {"half_life_days": 0}}, "boosts.fresh.half_life_days: input should be greater than 0"),
        ({"fresh": FRESH | {"half_life_days": "30"}}, "boosts.fresh.half_life_days: input should be a valid number"),
        ({"fresh": FRESH | {"weight": 11}}, "boosts.fresh.weight"),
        ({"fresh": FRESH | {"half_life": 3}}, "boosts.fresh.half_life: extra inputs are not permitted"),
        ({"fresh": FRESH | {"field": ""}}, "boosts.fresh.field"),
        ({"sales": SALES | {"scale": "log"}}, "boosts.sales.scale: input should be 'log1p' or 'as_is'"),
        ({"sales": SALES | {"kind": "magic"}}, "boosts.sales: input tag 'magic'"),
        ({"sales": {"kind": "number"}}, "boosts.sales.field: field required"),
        ({"ours": OURS | {"any_of": []}}, "boosts.ours.any_of"),
        ({"Fresh!": FRESH}, "boosts.Fresh!"),
        ({f"b{i}": SALES for i in range(33)}, "boosts"),
    ],
    ids=str,
)
def test_a_mistake_is_told_by_its_entry(tmp_path: Path, change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        declared(tmp_path, {"boosts": change})
    assert f"boosts.json: {told}" in str(raised.value)
    assert "docs/search.md" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("\ud800".encode("utf-8", "replace").decode(), "is not JSON"),
        ('{"boosts": {"a": {}, "a": {}}}', "'a' is there twice"),
        ("[]", "the file: input should be"),
        ("{}", "boosts: field required"),
        ('{"boosts": {"a": {"kind": "number", "field": "x", "weight": NaN}}}', "boosts.a.weight"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        declared(tmp_path, content)
    assert told in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.json cannot be read .*ATTUNE_SEARCH_BOOSTS_PATH"):
        DeclaredBoosts.read(tmp_path / "missing.json")


def chosen(boosts: DeclaredBoosts, *choices: tuple[str, float | None]) -> dict[str, float]:
    asked = [pb.Boost(name=name, weight=weight) for name, weight in choices]
    return {each.name: each.formula.weight for each in boosts.chosen(asked)}


def test_a_request_chooses_beside_the_default_ones(tmp_path: Path) -> None:
    boosts = declared(tmp_path, ALL)
    assert chosen(boosts) == {"fresh": 0.2}
    assert chosen(boosts, ("ours", None)) == {"fresh": 0.2, "ours": 0.1}
    assert chosen(boosts, ("sales", -1.0), ("fresh", 0.5)) == {"fresh": 0.5, "sales": -1.0}
    assert chosen(boosts, ("fresh", 0.0)) == {}
    assert chosen(boosts) == {"fresh": 0.2}


@pytest.mark.parametrize(
    ("names", "field", "told"),
    [
        (["ours", "nosuch"], "boosts[1].name", "no boost 'nosuch' is declared: choose of fresh, sales, ours"),
        (["ours", "sales", "ours"], "boosts[2].name", "'ours' is there twice"),
    ],
)
def test_a_choice_that_is_none_is_refused(tmp_path: Path, names: list[str], field: str, told: str) -> None:
    with pytest.raises(ServiceError, match=told) as raised:
        declared(tmp_path, ALL).chosen([pb.Boost(name=name) for name in names])
    assert [each.field for each in raised.value.violations] == [field]


def test_without_a_file_the_refusal_says_where_to_declare() -> None:
    with pytest.raises(ServiceError, match="ATTUNE_SEARCH_BOOSTS_PATH"):
        DeclaredBoosts().chosen([pb.Boost(name="fresh")])
