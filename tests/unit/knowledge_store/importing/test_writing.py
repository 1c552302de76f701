import stat
from collections.abc import Iterator

import pytest

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.importing.files import replacing
from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.own import merges_of, own_entities
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.importing.writing import write_catalog
from attune.knowledge_store.model import Entity, Link
from attune.knowledge_store.redirects import Merge


def test_links_are_held_against_all_ids_and_names_are_tidied(tmp_path):
    report = ImportReport("x")
    entities = [
        Entity("a", "A", (" x ", "x", "A", ""), links=(Link("r", "b"), Link("r", "b"), Link("r", "a"), Link("r", "c"))),
        Entity("b", "B"),
    ]
    write_catalog(entities, tmp_path / "c.jsonl", report)
    first, second = Catalog.load(tmp_path / "c.jsonl")
    assert first == Entity("a", "A", ("x",), links=(Link("r", "b"),))
    assert second == entities[1]
    assert (report.entities, report.aliases, report.links) == (2, 1, 1)
    assert report.left_out["aliases that are empty or there already"] == 3


def test_entities_whose_ids_no_request_takes_are_left_out_and_counted(tmp_path):
    report = ImportReport("x")
    entities = [Entity("a", "A", links=(Link("r", "b" * 513),)), Entity("b" * 513, "B"), Entity("c" * 512, "C")]
    write_catalog(entities, tmp_path / "c.jsonl", report)
    assert [each.id for each in Catalog.load(tmp_path / "c.jsonl")] == ["a", "c" * 512]
    assert report.left_out["entities with an id of more than 512 characters"] == 1
    assert report.left_out["links to entities that are not there"] == 1


def test_a_million_aliases_of_one_letter_become_one(tmp_path):
    write_catalog([Entity("a", "A", ("b",) * 1_000_000)], tmp_path / "c.jsonl", ImportReport("x"))
    assert Catalog.load(tmp_path / "c.jsonl")["a"].aliases == ("b",)


def test_merges_stay_whose_target_is_still_there(tmp_path):
    report = ImportReport("x", drop_merges=True)
    merges = [Merge("a", "b"), Merge("gone", "b"), Merge("x", "y"), Merge("b", "gone"), Merge("a", "b")]
    write_catalog([Entity("a", "A"), Entity("b", "B")], tmp_path / "c.jsonl", report, merges=merges)
    assert Catalog.load(tmp_path / "c.jsonl")["gone"].id == "b"
    assert merges_of(tmp_path / "c.jsonl") == merges[:2]
    assert report.merges == 2
    assert report.dropped_merges == [Merge("x", "y")]
    assert report.left_out["merges that contradict others"] == 1
    assert merges_of(tmp_path / "none.jsonl") == []


def test_merges_are_not_lost_unasked(tmp_path):
    before = '{"id": "y", "label": "Y"}\n{"merged": "x", "into": "y"}\n'
    (tmp_path / "c.jsonl").write_text(before)
    merges = [Merge("w", "x"), Merge("x", "y"), Merge("b", "a")]
    with pytest.raises(CatalogError, match=r'in it \("w" into "x", "x" into "y"\).* give --drop-merges'):
        write_catalog([Entity("a", "A")], tmp_path / "c.jsonl", ImportReport("x"), merges=merges)
    assert [path.read_text() for path in tmp_path.iterdir()] == [before]


def test_of_many_merges_the_first_are_told():
    with pytest.raises(CatalogError, match='"19" into "y" and 80 more'):
        ImportReport("x").drop([Merge(str(number), "y") for number in range(100)])


def test_an_import_without_entities_changes_nothing_and_says_why(tmp_path):
    (tmp_path / "c.jsonl").write_text("before")
    report = ImportReport("x", lines=5)
    report.leave_out("items of other classes", 3)
    report.bad(4, "not JSON")
    told = r"x: 5 lines were .* \(left out: items of other classes: 3; bad lines: 1, the first is line 4: not JSON\)"
    with pytest.raises(CatalogError, match=told):
        write_catalog([], tmp_path / "c.jsonl", report, merges=[Merge("a", "b")])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_a_chain_of_merges_holds_when_its_middle_is_gone(tmp_path):
    merges = [Merge("a", "b"), Merge("b", "c")]
    write_catalog([Entity("c", "C")], tmp_path / "c.jsonl", ImportReport("x"), merges=merges)
    assert Catalog.load(tmp_path / "c.jsonl")["a"].id == "c"


def test_a_name_with_a_lone_surrogate_can_be_written(tmp_path):
    write_catalog([Entity("a", "A", ("\ud800",))], tmp_path / "c.jsonl", ImportReport("x"))
    assert Catalog.load(tmp_path / "c.jsonl")["a"].aliases == ("\ud800",)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_all_is_as_before(tmp_path, error):
    def entities() -> Iterator[Entity]:
        yield Entity("a", "A")
        raise error

    (tmp_path / "c.jsonl").write_text("before")
    with pytest.raises(error):
        write_catalog(entities(), tmp_path / "c.jsonl", ImportReport("x"))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("c.jsonl", "before")]


def test_permissions_stay_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "c.jsonl").write_text("before")
    (tmp_path / "c.jsonl").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "c.jsonl")
    with replacing(tmp_path / "link") as file:
        file.write("after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "c.jsonl").read_text() == "after"
    assert stat.S_IMODE((tmp_path / "c.jsonl").stat().st_mode) == 0o640


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CatalogError, match="cannot be written"), replacing(tmp_path / "no" / "c.jsonl"):
        pass


def test_our_own_format_is_cleaned_line_by_line(tmp_path):
    lines = ['{"id": "a", "label": "A"}', "{", "", '{"id": "b"}', '{"merged": "x", "into": "a"}']
    lines += ['{"merged": "a", "into": "a"}', '{"merged": "x", "into": "b"}']
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    report, merges = ImportReport("c.jsonl"), []
    entities = list(own_entities(numbered_lines(tmp_path / "c.jsonl", report), report, merges))
    assert entities == [Entity("a", "A")]
    assert merges == [Merge("x", "a")]
    assert [each.number for each in report.examples] == [2, 4, 6, 7]
    assert report.examples[1].reason.startswith("field label is empty")


def test_a_line_without_an_end_is_bad_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("attune.knowledge_store.importing.lines._LONGEST", 16)
    (tmp_path / "x").write_bytes(b"one\n" + b"x" * 100 + b"\nthree")
    report = ImportReport("x")
    assert list(numbered_lines(tmp_path / "x", report)) == [(1, b"one"), (3, b"three")]
    assert [each.number for each in report.examples] == [2]
    assert report.lines == 3


def test_of_many_bad_lines_the_first_are_told():
    report = ImportReport("x")
    for number in range(1000):
        report.bad(number, "bad")
    assert (report.bad_lines, len(report.examples)) == (1000, 20)


def test_the_bytes_read_are_told(tmp_path):
    (tmp_path / "x").write_bytes(b"a\nb\n")
    told: list[int] = []
    list(numbered_lines(tmp_path / "x", ImportReport("x"), told.append))
    assert told == [4]
