import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import line, untimed

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph, Neighbour


def graph_of(*lines: str) -> CatalogGraph:
    return CatalogGraph(Catalog.load(lines))


def test_neighbours_come_by_relation_then_popularity():
    graph = graph_of(
        line("asyncio.gather", part_of=["asyncio"], see_also=["asyncio.wait", "asyncio.TaskGroup"]),
        line("asyncio"),
        line("asyncio.wait"),
        line("asyncio.TaskGroup"),
        line("trio", see_also=["asyncio.TaskGroup"]),
        line("anyio", like=["asyncio.gather"]),
    )
    assert graph.neighbours("asyncio.gather") == [
        Neighbour("anyio", "like", outgoing=False),
        Neighbour("asyncio", "part_of", outgoing=True),
        Neighbour("asyncio.TaskGroup", "see_also", outgoing=True),
        Neighbour("asyncio.wait", "see_also", outgoing=True),
    ]


def test_two_relations_between_the_same_entities_are_two_edges():
    graph = graph_of(line("a", part_of=["b"], near=["b"]), line("b"))
    assert [neighbour.relation for neighbour in graph.neighbours("a")] == ["near", "part_of"]


def test_containers_lead_outwards_nearest_first():
    graph = graph_of(line("join", part_of=["path"], near=["elsewhere"]), line("path", part_of=["os"]), line("os"))
    elsewhere = graph_of(line("join", part_of=["path"]), line("path", near=["os"]), line("os"))
    assert graph.containers("join") == ["path", "os"]
    assert graph.containers("os") == []
    assert elsewhere.containers("join") == ["path"]


def test_a_cycle_of_containers_ends():
    graph = graph_of(line("a", part_of=["b"]), line("b", part_of=["c"]), line("c", part_of=["a"]))
    assert graph.containers("a") == ["b", "c"]


def test_ids_outside_the_catalog_are_unconnected():
    graph = graph_of(line("a"))
    assert (graph.neighbours("x"), graph.containers("x"), graph.prior("x")) == ([], [], 0.0)


def test_an_empty_catalog_has_a_graph():
    assert graph_of().neighbours("a") == []


edge_lists = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=25)


def graph_with(edges: list[tuple[int, int]]) -> CatalogGraph:
    targets = {node: [str(b) for a, b in edges if a == node] for node in range(8)}
    return graph_of(*(line(str(node), near=targets[node]) for node in range(8)))


@untimed
@given(edge_lists)
def test_priors_are_positive_and_sum_to_one(edges):
    graph = graph_with(edges)
    priors = [graph.prior(str(node)) for node in range(8)]
    assert all(prior > 0 for prior in priors)
    assert sum(priors) == pytest.approx(1)


@untimed
@given(edge_lists)
def test_the_closest_have_the_fewest_edges(edges):
    graph = graph_with(edges)
    for node in map(str, range(8)):
        closest = graph.closest(node)
        assert set(closest) == graph.linked(node)
        order = [(graph.degree(each), -graph.prior(each), each) for each in closest]
        assert order == sorted(order)
    assert graph.closest("x") == []


def test_a_large_graph_takes_time_in_proportion():
    def seconds(size: int) -> float:
        chance = random.Random(5)  # noqa: S311 - a repeatable graph, nothing secret
        targets = [[str(chance.randrange(size)) for _ in range(5)] for _ in range(size)]
        catalog = Catalog.load(
            json.dumps({"id": str(i), "label": str(i), "links": [{"relation": "r", "target": each} for each in linked]})
            for i, linked in enumerate(targets)
        )
        started = time.process_time()
        CatalogGraph(catalog)
        return time.process_time() - started

    seconds(500)
    assert seconds(10_000) < 30 * seconds(1_000) + 0.5
