import json

import pytest
from tests.unit.knowledge_store.builders import line, linker_for

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import Link

LINES = (
    line("py", "Python", ["CPython"], near=["c", "lang"]),
    line("python3", "Python 3", ["py3", "CPython"], "A language.", near=["py", "c"], part_of=["lang"]),
    line("c", "C", like=["python3", "py"]),
    line("lang", "Language"),
)


def merge(merged: str, into: str) -> str:
    return json.dumps({"merged": merged, "into": into})


def test_the_target_gets_names_links_and_a_missing_description():
    catalog = Catalog.load([*LINES, merge("python3", "py")])
    found = catalog["py"]
    assert (found.label, found.aliases, found.description) == ("Python", ("CPython", "Python 3", "py3"), "A language.")
    assert found.links == (Link("near", "c"), Link("near", "lang"), Link("part_of", "lang"))
    assert catalog["c"].links == (Link("like", "py"),)
    assert [entity.id for entity in catalog] == ["py", "c", "lang"]
    assert catalog.warnings == ()


def test_the_merged_id_still_resolves():
    catalog = Catalog.load([*LINES, merge("python3", "py")])
    assert catalog["python3"] is catalog.get("python3") is catalog["py"]
    assert "python3" in catalog
    assert catalog.redirects.resolve("python3") == "py"


def test_a_text_that_names_the_merged_entity_names_the_target():
    _, _, linker = linker_for(*LINES, merge("python3", "py"))
    assert [mention.entity_id for mention in linker.link("py3")] == ["py"]


def test_the_graph_has_the_edges_of_both_once():
    graph = CatalogGraph(Catalog.load([*LINES, merge("python3", "py")]))
    edges = [(each.entity_id, each.relation) for each in graph.neighbours("py")]
    assert sorted(edges) == [("c", "like"), ("c", "near"), ("lang", "near"), ("lang", "part_of")]


def test_chains_are_followed_wherever_the_records_stand():
    catalog = Catalog.load([merge("c", "py"), *LINES, merge("py", "lang")])
    assert [entity.id for entity in catalog] == ["python3", "lang"]
    assert catalog["c"].label == "Language"
    assert catalog["lang"].aliases == ("C", "Python", "CPython")


def test_an_entity_that_left_the_catalog_may_be_merged_for_the_stores_that_have_it():
    catalog = Catalog.load([line("new"), line("other", near=["old"]), merge("old", "new")])
    assert catalog["old"].id == "new"
    assert catalog["other"].links == (Link("near", "new"),)


def test_without_the_record_all_is_as_before():
    before, after = Catalog.load(LINES), Catalog.load([*LINES, merge("python3", "py")])
    assert before.version != after.version
    assert list(Catalog.load(LINES)) == list(before)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([merge("py", "py")], 'line 5: "py" cannot be merged into itself'),
        ([merge("py", "ghost")], 'line 5, field into: there is no entity "ghost"'),
        ([merge("py", "c"), merge("c", "py")], 'line 6: "py" is merged into "c" already, the other way'),
        ([merge("py", "c"), merge("py", "lang")], 'line 6: "py" is merged into "c" already'),
        ([merge("py", "")], "line 5, field into is empty"),
        (['{"merged": ["py"], "into": "c"}'], "line 5, field merged: a list instead of a string"),
    ],
)
def test_a_merge_that_cannot_be_is_named_by_its_line(records, said):
    with pytest.raises(CatalogError) as caught:
        Catalog.load([*LINES, *records])
    assert said in str(caught.value)


def test_an_entity_may_have_a_field_merged_of_its_own():
    assert Catalog.load(['{"id": "a", "label": "A", "merged": "2024-01-01"}'])["a"].label == "A"
