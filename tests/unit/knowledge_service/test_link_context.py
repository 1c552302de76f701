"""What a query and the turns before it are about."""

import json

import pytest

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.linking import Linker
from attune.services.knowledge.contexts import link_context


@pytest.fixture(scope="module")
def linker() -> Linker:
    catalog = Catalog.load([f'{{"id": "{each}", "label": "{each}"}}' for each in ("asyncio", "threading", "sqlite3")])
    return Linker(catalog, CatalogGraph(catalog))


def test_the_query_comes_first_and_each_entity_once(linker: Linker) -> None:
    turns = [Turn(query="threading"), Turn(title="sqlite3", text="asyncio and threading")]
    linked = link_context(linker, "asyncio", Context(turns=turns))
    assert linked.entity_ids == ("asyncio", "threading", "sqlite3")
    assert not linked.is_empty


@pytest.mark.parametrize(
    ("query", "coverage"), [("asyncio", 1.0), ("  asyncio  ", 1.0), ("an unknown word", 0.0), ("", 0.0), ("   ", 0.0)]
)
def test_coverage_is_the_part_of_the_query_that_names_something(linker: Linker, query: str, coverage: float) -> None:
    assert link_context(linker, query, Context()).query_coverage == coverage


def test_coverage_of_a_query_that_names_something_in_part(linker: Linker) -> None:
    assert 0.2 < link_context(linker, "asyncio with many other words", Context()).query_coverage < 0.3


@pytest.mark.parametrize("query", ["", "  \n"])
def test_without_query_and_turns_there_is_nothing_to_link(linker: Linker, query: str) -> None:
    assert link_context(linker, query, Context()).is_empty
    assert not link_context(linker, query, Context(turns=[Turn()])).is_empty


def test_only_the_beginning_of_a_long_page_is_read(linker: Linker) -> None:
    near, far = "word " * 100 + "asyncio", "word " * 10_000 + "asyncio"
    assert link_context(linker, "", Context(turns=[Turn(text=near)])).entity_ids == ("asyncio",)
    assert link_context(linker, "", Context(turns=[Turn(text=far)])).entity_ids == ()


def test_the_query_is_read_together_with_the_last_turn_and_no_other() -> None:
    lines = [
        {"id": "country", "label": "Georgia", "links": [{"relation": "capital", "target": "tbilisi"}]},
        {"id": "state", "label": "Georgia"},
        {"id": "tbilisi", "label": "Tbilisi", "aliases": ["Tiflis"]},
    ]
    catalog = Catalog.load([json.dumps(each) for each in lines])
    linker = Linker(catalog, CatalogGraph(catalog))
    asked, clicked, other = Turn(query="tiflis"), Turn(title="Old Tiflis"), Turn(query="cooking")
    for last in (asked, clicked):
        assert link_context(linker, "georgia", Context(turns=[other, last])).query_entity_ids == ("country",)
    assert link_context(linker, "georgia", Context(turns=[asked, other])).query_entity_ids == ()
