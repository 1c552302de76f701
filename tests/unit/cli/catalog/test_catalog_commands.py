import json
import os
from pathlib import Path

import pytest
from tests.unit.knowledge_store.importing.dump import dump, item, statement
from typer.testing import CliRunner

from attune.knowledge_store.catalog import Catalog
from attune.services.cli.main import app

LINES = (item("Q1", {"en": "One"}, claims={"P361": [statement("Q2")]}), item("Q2", {"en": "Two"}))


def run(*arguments: object):
    return CliRunner().invoke(app, ["catalog", *map(str, arguments)])


def import_dump(directory: Path, content: bytes, *options: str):
    (directory / "dump.json").write_bytes(content)
    paths = ("--input", directory / "dump.json", "--out", directory / "c.jsonl")
    return run("import", "--from", "wikidata", *paths, *options)


@pytest.mark.parametrize("command", ["import", "check", "merge"])
def test_help_has_an_example(command):
    assert f"Example: attune catalog {command}" in " ".join(run(command, "--help").output.split())


def test_a_dump_is_imported_checked_and_merged(tmp_path):
    done = import_dump(tmp_path, dump(*LINES, "{bad"), "--property", "P361=part_of", "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output)
    assert {name: summary[name] for name in ("entities", "aliases", "links", "bad_lines")} == {
        "entities": 2,
        "aliases": 0,
        "links": 1,
        "bad_lines": 1,
    }
    assert summary["examples"][0]["line"] == 4
    assert run("check", tmp_path / "c.jsonl").exit_code == 0
    merged = run("merge", tmp_path / "c.jsonl", "--from", "Q1", "--into", "Q2", "--json")
    assert json.loads(merged.output)["resolves_to"] == "Q2"
    assert import_dump(tmp_path, dump(*LINES)).exit_code == 0
    assert Catalog.load(tmp_path / "c.jsonl")["Q1"].id == "Q2"  # a new import keeps the merges
    assert run("merge", tmp_path / "c.jsonl", "--from", "Q1", "--into", "Q2", "--undo").exit_code == 0
    assert len(Catalog.load(tmp_path / "c.jsonl")) == 2


def test_strict_ends_at_the_first_bad_line_and_writes_nothing(tmp_path):
    done = import_dump(tmp_path, dump(*LINES, "{bad"), "--strict")
    assert done.exit_code == 1
    assert "dump.json, line 4: not JSON" in " ".join(done.output.split())
    assert not (tmp_path / "c.jsonl").exists()


def test_summary_in_words(tmp_path):
    shown = import_dump(tmp_path, dump(*CLASSES, "{bad"), "--class", "Q6").output
    assert "1 entities, 0 aliases, 0 links" in shown
    assert "left out, items of other classes: 3" in shown
    assert "line 6: not JSON" in shown


CLASSES = (
    item("Q4", {"en": "Instance"}, claims={"P31": [statement("Q3")]}),
    item("Q3", {"en": "Inner class"}, claims={"P279": [statement("Q2")]}),
    item("Q2", {"en": "Outer class"}, claims={"P279": [statement("Q1")]}),
    item("Q5", {"en": "Stranger"}, claims={"P31": [statement("Q6")]}),
)


@pytest.mark.parametrize(
    ("options", "ids", "subclasses"), [((), ["Q4", "Q3", "Q2"], 2), (("--no-subclasses",), ["Q2"], 0)]
)
def test_a_class_takes_its_subclasses_unless_they_are_not_wanted(tmp_path, options, ids, subclasses):
    done = import_dump(tmp_path, dump(*CLASSES, "{bad"), "--class", "Q1", "--json", *options)
    summary = json.loads(done.output)
    assert [entity.id for entity in Catalog.load(tmp_path / "c.jsonl")] == ids
    assert (summary["subclasses"], summary["bad_lines"]) == (subclasses, 1)
    assert summary["left_out"]["items of other classes"] == 4 - len(ids)


TURTLE = "@prefix r: <http://www.w3.org/2000/01/rdf-schema#> .\n<http://a> r:label 'A' .\n"


@pytest.mark.parametrize(
    ("source", "content", "options", "said"),
    [
        ("jsonl", "{\n[]\n", (), "2 lines were read, and no entity came of them (left out: bad lines: 2, the first"),
        ("wikidata", dump(*LINES).decode(), ("--class", "Q99"), "of them (left out: items of other classes: 2)"),
        ("ntriples", TURTLE, (), "2 lines were read, and no entity came of them (left out: bad lines: 2"),
        ("turtle", TURTLE.replace("label", "seeAlso"), (), "2 lines were read"),
        ("products", "sku,title\n", ("--id", "sku", "--label", "title"), "1 lines were read"),
        ("jsonl", "", (), "0 lines were read, and no entity came of them: give the format"),
    ],
)
def test_an_import_without_entities_leaves_the_catalog_and_its_merges(tmp_path, source, content, options, said):
    name = "input.csv" if source == "products" else "input"
    before = '{"id": "a", "label": "A"}\n{"merged": "b", "into": "a"}\n'
    (tmp_path / name).write_text(content)
    (tmp_path / "c.jsonl").write_text(before)
    done = run("import", "--from", source, "--input", tmp_path / name, "--out", tmp_path / "c.jsonl", *options)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
    assert (tmp_path / "c.jsonl").read_text() == before


def test_merges_are_dropped_only_if_that_is_asked_for(tmp_path):
    before = '{"id": "a", "label": "A"}\n{"merged": "b", "into": "a"}\n{"merged": "c", "into": "Q2"}\n'
    (tmp_path / "c.jsonl").write_text(before)
    refused = import_dump(tmp_path, dump(*LINES))
    assert refused.exit_code == 1
    assert 'merges lead to entities that are not in it ("b" into "a")' in " ".join(refused.output.split())
    assert (tmp_path / "c.jsonl").read_text() == before
    assert import_dump(tmp_path, dump(*LINES), "--drop-merges", "--json").exit_code == 0
    assert list(Catalog.load(tmp_path / "c.jsonl").redirects) == [("c", "Q2")]
    (tmp_path / "c.jsonl").write_text(before)
    assert 'merges dropped: "b" into "a"' in import_dump(tmp_path, dump(*LINES), "--drop-merges").output


def test_the_summary_tells_of_subclasses(tmp_path):
    assert "of the classes and 2 subclasses of theirs" in import_dump(tmp_path, dump(*CLASSES), "--class", "Q1").output


def test_what_can_be_read_once_only_tells_no_subclasses(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    paths = ("--input", tmp_path / "pipe", "--out", tmp_path / "c.jsonl")
    done = run("import", "--from", "wikidata", *paths, "--class", "Q1")
    assert done.exit_code == 1
    assert "--class reads the dump twice: give a file, or --no-subclasses" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("products", ["--id", "sku", "--label", "title", "--class", "Q5"], "--class means nothing for --from products"),
        ("jsonl", ["--language", "de"], "--language means nothing for --from jsonl"),
        ("products", ["--id", "sku"], "--id and --label: name the columns"),
        ("products", ["--id", "sku", "--label", "t", "--link", "c"], "--link c: give the relation too"),
        ("wikidata", ["--property", "=x"], "--property =x: write it as KEY=NAME"),
        ("wikidata", ["--ids", "nowhere.txt"], "nowhere.txt: cannot be read"),
        ("turtle", [], "input: cannot be read"),
        ("ntriples", [], "input: cannot be read"),
        ("jsonl", [], "input: cannot be read"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, source, options, said):
    done = run("import", "--from", source, "--input", tmp_path / "input", "--out", tmp_path / "c.jsonl", *options)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("source", "name", "content", "options"),
    [
        ("jsonl", "x.jsonl", '{"id": "a", "label": "A"}', []),
        ("ntriples", "x.nt", '<http://a> <http://www.w3.org/2000/01/rdf-schema#label> "A" .', []),
        ("turtle", "x.ttl", '<http://a> <http://www.w3.org/2000/01/rdf-schema#label> "A" .', []),
        ("products", "x.csv", "sku,title\na,A\n", ["--id", "sku", "--label", "title"]),
    ],
)
def test_every_other_format_is_imported(tmp_path, source, name, content, options):
    (tmp_path / name).write_text(content)
    done = run("import", "--from", source, "--input", tmp_path / name, "--out", tmp_path / "c.jsonl", *options)
    assert done.exit_code == 0, done.output
    assert [entity.label for entity in Catalog.load(tmp_path / "c.jsonl")] == ["A"]


def test_a_catalog_is_cleaned_in_place(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a", "label": "A"}\n{\n{"id": "b", "label": "B"}\n{"merged": "a", "into": "b"}\n')
    assert run("check", path).exit_code == 1
    assert run("import", "--from", "jsonl", "--input", path, "--out", path).exit_code == 0
    assert run("check", path).exit_code == 0
    assert Catalog.load(path)["a"].id == "b"


def test_check_ends_with_1_on_what_a_service_would_not_start_with(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a", "label": "the"}\n{"id": "a", "label": "A"}\n{"id": "b", "label": "The"}\n')
    found = run("check", path, "--json")
    assert found.exit_code == 1
    assert json.loads(found.output)["ambiguous"] == {"the": 2}
    assert json.loads(found.output)["errors"]["count"] == 1
    shown = run("check", path).output
    assert "most ambiguous" in shown
    assert "version none" in shown
