from dataclasses import dataclass

import pytest
from tests.unit.knowledge_store.builders import line

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.salience import document_salience

GRAPH = CatalogGraph(
    Catalog.load([line("join", part_of=["path"]), line("path", part_of=["os"]), line("os"), line("x"), line("y")])
)


@dataclass(frozen=True)
class Name:
    entity_id: str
    surface: str = "?"


def salience(title: str, in_title: list[Name], in_text: list[Name]) -> dict[str, float]:
    return {linked.entity_id: linked.salience for linked in document_salience(title, in_title, in_text, GRAPH)}


def test_nothing_named_is_nothing_salient():
    assert salience("", [], []) == {}


def test_the_text_counts_logarithmically():
    assert salience("", [], [Name("x"), Name("y"), Name("y"), Name("y")]) == {"y": 1.0, "x": 0.5}


def test_a_name_in_the_title_outweighs_some_in_the_text():
    assert salience("About x", [Name("x", "x")], [Name("y")]) == {"x": 1.0, "y": pytest.approx(1 / 3)}


def test_the_title_that_is_a_name_weighs_most():
    assert salience(" x ", [Name("x", "x")], [Name("y")]) == {"x": 1.0, "y": pytest.approx(1 / 9)}


def test_containers_get_a_share_that_halves_with_each_step():
    assert salience("", [], [Name("join")]) == {"join": 1.0, "path": pytest.approx(0.3), "os": pytest.approx(0.15)}


def test_a_container_that_is_named_itself_keeps_the_larger_score():
    assert salience("", [], [Name("join"), Name("path")])["path"] == 1.0


def test_at_most_twelve_the_most_salient_first_ties_by_id():
    names = [Name(f"e{i:02}") for i in range(20)] + [Name("e19")]
    linked = document_salience("", [], names, GRAPH)
    assert [one.entity_id for one in linked] == ["e19", *(f"e{i:02}" for i in range(11))]
