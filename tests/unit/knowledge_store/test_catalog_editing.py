from pathlib import Path

import pytest
from tests.unit.knowledge_store.builders import line

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.catalog_editing import add_merge, remove_merge
from attune.knowledge_store.redirects import Merge


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "c.jsonl"
    made.write_text("".join(f"{line(each, each.upper())}\n" for each in "abcd"), "utf-8")
    return made


def test_a_merge_undone_leaves_the_file_byte_for_byte(path):
    before, version = path.read_bytes(), Catalog.load(path).version
    assert add_merge(path, Merge("a", "b")) == "b"
    assert Catalog.load(path)["a"].aliases == ("A",)
    assert Catalog.load(path).version != version
    remove_merge(path, Merge("a", "b"))
    assert path.read_bytes() == before
    assert Catalog.load(path).version == version


def test_a_merge_into_a_merged_entity_is_followed_and_the_middle_can_be_undone(path):
    add_merge(path, Merge("b", "c"))
    assert add_merge(path, Merge("a", "b")) == "c"
    remove_merge(path, Merge("b", "c"))
    catalog = Catalog.load(path)
    assert [entity.id for entity in catalog] == ["b", "c", "d"]
    assert catalog["a"].id == "b"


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        (Merge("a", "a"), "cannot be merged into itself"),
        (Merge("a", "ghost"), 'no entity "ghost"'),
        (Merge("ghost", "a"), 'no entity "ghost"'),
        (Merge("d", "c"), "close a cycle"),
        (Merge("c", "a"), '"c" is merged into "d" already'),
    ],
)
def test_a_merge_that_cannot_be_leaves_the_file(path, merge, said):
    add_merge(path, Merge("c", "d"))
    before = path.read_bytes()
    with pytest.raises(CatalogError, match=said):
        add_merge(path, merge)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_merge_that_is_not_there_cannot_be_undone(path):
    add_merge(path, Merge("a", "b"))
    for merge in (Merge("b", "a"), Merge("a", "c"), Merge("x", "y")):
        with pytest.raises(CatalogError, match="no record merges"):
            remove_merge(path, merge)


def test_a_merge_that_keeps_the_catalog_from_loading_can_be_undone(path):
    path.write_text(path.read_text() + '{"merged": "a", "into": "ghost"}\n')
    with pytest.raises(CatalogError):
        Catalog.load(path)
    remove_merge(path, Merge("a", "ghost"))
    assert len(Catalog.load(path)) == 4
