"""From the library's types to messages."""

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.services.knowledge.convert import entity_response


def test_of_two_edges_of_one_relation_it_is_told_which_way_they_go() -> None:
    lines = [
        f'{{"id": "{here}", "label": "{here}", "links": [{{"relation": "near", "target": "{there}"}}]}}'
        for here, there in (("a", "b"), ("b", "a"))
    ]
    loaded = LoadedCatalog.of(Catalog.load(lines))
    answer = entity_response(loaded.catalog["a"], loaded.graph, loaded.catalog)
    assert [(each.relation, each.entity_id, each.incoming) for each in answer.links] == [
        ("near", "b", True),
        ("near", "b", False),
    ]
