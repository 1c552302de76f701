import json

import pytest
from tests.unit.knowledge_store.builders import line

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.check import CatalogCheck, check_catalog


def checked(tmp_path, *lines: str, top: int = 10) -> CatalogCheck:
    (tmp_path / "c.jsonl").write_text("".join(f"{each}\n" for each in lines), "utf-8")
    return check_catalog(tmp_path / "c.jsonl", top)


def test_a_sound_catalog_has_counts_and_the_version_that_a_service_has(tmp_path):
    lines = [
        line("a", "Anna", ["Ann"], part_of=["b"]),
        line("b", "Ben"),
        line("c", "Cas"),
        '{"merged": "c", "into": "b"}',
    ]
    found = checked(tmp_path, *lines)
    assert (found.entities, found.aliases, found.links, found.merges) == (3, 1, 1, 1)
    assert (found.errors.count, found.warnings, found.ambiguous) == (0, {}, {})
    assert found.version == Catalog.load(tmp_path / "c.jsonl").version


def test_every_wrong_line_is_told_not_only_the_first(tmp_path):
    found = checked(tmp_path, "{", line("a"), line("a"), '{"id": "b"}', '{"merged": "a", "into": "a"}')
    assert found.errors.count == 4
    assert found.version == ""
    assert [error.split(", line ")[1][0] for error in found.errors.examples] == ["1", "3", "4", "5"]


def test_ids_that_no_request_takes_are_errors_and_spaces_around_ids_are_told(tmp_path):
    found = checked(tmp_path, line(" a\t", "Anna"), line("b" * 512), line("c" * 513))
    assert [finding.examples for finding in found.warnings.values()] == [[repr(" a\t")]]
    assert found.errors.count == 1
    assert "line 3, field id: 513 characters, and requests take 512" in found.errors.examples[0]


def test_doubtful_links_are_counted_with_examples(tmp_path):
    found = checked(tmp_path, line("aa", near=["aa", "ghost", "bb", "bb"]), line("bb"))
    assert {name: finding.examples for name, finding in found.warnings.items()} == {
        "entities with a link twice": ["aa"],
        "links of entities to themselves": ["aa near"],
        "links to entities that are not there": ["aa near ghost"],
    }
    assert found.errors.count == 0


def test_cycles_of_containers_are_found_also_those_that_a_merge_closes(tmp_path):
    ring = [line(f"n{i}", part_of=[f"n{(i + 1) % 20}"]) for i in range(20)]
    found = checked(tmp_path, *ring, line("xx", part_of=["yy"]), line("yy", near=["xx"]))
    assert found.warnings["cycles of part_of"].count == 1
    assert found.warnings["cycles of part_of"].examples[0].endswith("and 10 more")
    merged = checked(
        tmp_path, line("x1", part_of=["yy"]), line("x2"), line("yy", part_of=["x2"]), '{"merged": "x1", "into": "x2"}'
    )
    assert merged.warnings["cycles of part_of"].examples == ["x2, yy"]


def test_doubtful_names_are_told(tmp_path):
    found = checked(tmp_path, line("a", "the", ["X", "!!", "THE"]))
    assert {name.split(",")[0] for name in found.warnings} == {
        "entities with a name twice",
        "names of one letter",
        "names without a letter or digit",
        "names that are a common word",
    }


def test_the_most_ambiguous_names_come_first(tmp_path):
    lines = [line(f"p{i}", "Paris") for i in range(3)] + [line(f"r{i}", "ROME", ["Rome"]) for i in range(2)]
    assert checked(tmp_path, *lines).ambiguous == {"paris": 3, "rome": 2}
    assert checked(tmp_path, *lines, top=1).ambiguous == {"paris": 3}
    assert checked(tmp_path, *lines, '{"merged": "r1", "into": "r0"}').ambiguous == {"paris": 3}


def test_a_million_aliases_of_one_letter_are_a_finding(tmp_path):
    found = checked(tmp_path, json.dumps({"id": "a1", "label": "Anna", "aliases": ["b"] * 1_000_000}))
    assert found.aliases == 1_000_000
    assert found.warnings["names of one letter"].count == 1


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CatalogError, match="No such file"):
        check_catalog(tmp_path / "none.jsonl")
