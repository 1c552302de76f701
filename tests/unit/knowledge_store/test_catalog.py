import json

import pytest
from tests.unit.knowledge_store.builders import line

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.model import Link


def test_entities_keep_the_order_of_the_file_and_all_their_fields():
    catalog = Catalog.load([line("b", "Bee", ["Apis"], "An insect.", part_of=["a"]), line("a")])
    assert [entity.id for entity in catalog] == ["b", "a"]
    bee = catalog["b"]
    assert (bee.label, bee.aliases, bee.description, bee.links) == (
        "Bee",
        ("Apis",),
        "An insect.",
        (Link("part_of", "a"),),
    )
    assert catalog.warnings == ()
    assert (len(catalog), "b" in catalog, "c" in catalog, catalog.get("c")) == (2, True, False, None)


def test_optional_fields_may_be_absent_or_null_and_others_are_ignored():
    catalog = Catalog.load(['{"id": "a", "label": "A", "aliases": null, "qid": 7}', "", '{"id": "b", "label": "B"}'])
    assert catalog["a"].aliases == catalog["b"].links == ()


def test_a_path_is_read_as_utf8_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "catalog.jsonl"
    path.write_text("\ufeff" + line("é", "naïve") + "\r\n" + line("b"), "utf-8")
    assert [entity.id for entity in Catalog.load(path)] == ["é", "b"]
    assert [entity.id for entity in Catalog.load(str(path))] == ["é", "b"]


def test_dangling_links_and_self_links_are_dropped_and_counted():
    catalog = Catalog.load([line("a", near=["a", "b", "ghost", "ghoul"]), line("b", near=["b"])])
    assert catalog["a"].links == (Link("near", "b"),)
    assert catalog["b"].links == ()
    assert [warning.rpartition(": ")[2] for warning in catalog.warnings] == ["2", "2"]


def test_cyclic_links_stay():
    catalog = Catalog.load([line("a", part_of=["b"]), line("b", part_of=["a"])])
    assert [len(entity.links) for entity in catalog] == [1, 1]
    assert catalog.warnings == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "a list instead of an object"),
        ('{"label": "A"}', "field id is empty"),
        ('{"id": "  ", "label": "A"}', "field id is empty"),
        ('{"id": "a"}', "field label is empty"),
        ('{"id": 7, "label": "A"}', "field id: a int instead of a string"),
        ('{"id": "\\ud800", "label": "A"}', "field id has a lone surrogate"),
        ('{"id": "a", "label": "A", "aliases": "x"}', "field aliases: not a list of strings"),
        ('{"id": "a", "label": "A", "aliases": [1]}', "field aliases: not a list of strings"),
        ('{"id": "a", "label": "A", "description": []}', None),
        ('{"id": "a", "label": "A", "description": ["x"]}', "field description: a list instead of a string"),
        ('{"id": "a", "label": "A", "links": ["b"]}', "field links: not a list of objects"),
        ('{"id": "a", "label": "A", "links": [{"target": "b"}]}', "field links, field relation is empty"),
        ('{"id": "a", "label": "A", "links": [{"relation": "r"}]}', "field links, field target is empty"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(wrong, said):
    lines = [line("first"), wrong]
    if said is None:
        assert len(Catalog.load(lines)) == 2
        return
    with pytest.raises(CatalogError) as caught:
        Catalog.load(lines)
    assert str(caught.value).startswith("catalog, line 2")
    assert said in str(caught.value)


def test_a_repeated_id_is_refused():
    with pytest.raises(CatalogError, match='line 3, field id: "a" is there already'):
        Catalog.load([line("a"), line("b"), line("a")])


def test_a_file_that_is_not_there_or_not_utf8_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"missing\.jsonl: No such file"):
        Catalog.load(tmp_path / "missing.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(line("a").encode() + b'\n{"id": "\xff"}')
    with pytest.raises(CatalogError, match=r"bad\.jsonl, line 2: byte 8 is not UTF-8"):
        Catalog.load(bad)


def test_labels_may_hold_control_and_right_to_left_characters():
    label = "\u202eשלום\0"  # noqa: RUF001 - other scripts are the point
    assert Catalog.load([json.dumps({"id": "x", "label": label})])["x"].label == label


def test_the_version_is_of_what_the_catalog_says_not_of_how_it_is_written():
    lines = [line("a", "A", ["x"], near=["b"]), line("b")]
    version = Catalog.load(lines).version
    assert len(version) == 12
    assert Catalog.load(reversed(lines)).version == version
    assert Catalog.load(['{"links": [], "label": "b", "id": "b", "qid": 7}', "", lines[0]]).version == version
    assert Catalog.load([line("a", "A", ["x"], near=["b", "ghost"]), line("b")]).version == version
    for other in ([line("a", "A", ["y"], near=["b"]), lines[1]], lines[:1], []):
        assert Catalog.load(other).version != version


def test_a_million_aliases_of_one_letter_load():
    entity = Catalog.load([json.dumps({"id": "a", "label": "A", "aliases": ["b"] * 1_000_000})])["a"]
    assert len(entity.aliases) == 1_000_000


def test_a_name_with_a_lone_surrogate_has_a_version():
    assert Catalog.load(['{"id": "a", "label": "A", "aliases": ["\\ud800"]}']).version
