from pathlib import Path

import pytest
from tests.unit.knowledge_store.importing.dump import dump, item, nothing, statement, text, write

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.importing.wikidata import ItemIds, PropertyLabels, WikidataFilter, wikidata_entities
from attune.knowledge_store.importing.writing import write_catalog
from attune.knowledge_store.model import Link

LINES = (
    item(
        "Q28865",
        {"en": "Python", "de": "Python (Sprache)"},
        {"en": ["Python language", "Python"], "fr": ["langage Python"]},
        {"en": "programming language", "de": "Programmiersprache"},
        {
            "P31": [statement("Q9143"), statement("Q1", "deprecated")],
            "P277": [statement("Q15777"), statement("Q28865", "preferred"), nothing()],
            "P348": [text("3.14")],
            "P361": [statement("Q7")],
        },
        sitelinks=90,
    ),
    item("Q9143", {"en": "programming language"}, claims={"P279": [statement("Q7")], "P737": [statement("Q99")]}),
    item("P31", {"en": "instance of"}, kind="property"),
    item("P361", {"en": "part of"}, kind="property"),
    item("Q7", {"mul": "Computing"}, sitelinks=0),
    item("Q8", {"fr": "sans nom"}),
    item("Q15777", {"en": "C", "de": "C"}, claims={"P31": [statement("Q9143")]}, sitelinks=3),
)
ENGLISH = WikidataFilter()


def imported(
    directory: Path, content: bytes, wanted: WikidataFilter = ENGLISH, name: str = "dump.json"
) -> tuple[Catalog, ImportReport]:
    path = write(directory / name, content)
    report, labels = ImportReport(name), PropertyLabels(wanted.properties)
    entities = wikidata_entities(numbered_lines(path, report), wanted, labels, report)
    write_catalog(entities, directory / "catalog.jsonl", report, ids=ItemIds(), relation=labels.relation)
    return Catalog.load(directory / "catalog.jsonl"), report


@pytest.mark.parametrize("name", ["dump.json", "dump.json.gz", "dump.json.bz2"])
def test_items_become_entities_with_links_named_as_the_dump_names_the_properties(tmp_path, name):
    catalog, report = imported(tmp_path, dump(*LINES), name=name)
    assert [entity.id for entity in catalog] == ["Q28865", "Q9143", "Q7", "Q15777"]
    python = catalog["Q28865"]
    assert (python.label, python.aliases, python.description) == (
        "Python",
        ("Python language",),
        "programming language",
    )
    assert python.links == (Link("instance_of", "Q9143"), Link("part_of", "Q7"))
    assert catalog["Q9143"].links == (Link("P279", "Q7"),)
    assert catalog["Q7"].label == "Computing"
    assert (report.entities, report.links, report.bad_lines) == (4, 4, 0)
    assert report.left_out["items without a label in the languages"] == 1
    assert report.left_out["links to entities that are not there"] == 1
    assert report.left_out["links of entities to themselves"] == 1
    assert catalog.warnings == ()


def test_the_first_language_gives_the_label_the_others_aliases(tmp_path):
    catalog, _ = imported(tmp_path, dump(*LINES), WikidataFilter(languages=("de", "en", "fr")))
    python = catalog["Q28865"]
    assert python.label == "Python (Sprache)"
    assert python.aliases == ("Python", "Python language", "langage Python")
    assert python.description == "Programmiersprache"
    assert catalog["Q8"].label == "sans nom"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (WikidataFilter(classes=frozenset({"Q9143"})), ["Q28865", "Q15777"]),
        (WikidataFilter(classes=frozenset({"Q7", "Q123"})), ["Q9143"]),
        (WikidataFilter(ids=frozenset({"Q7", "Q9143", "Q8"})), ["Q9143", "Q7"]),
        (WikidataFilter(min_sitelinks=3), ["Q28865", "Q15777"]),
        (WikidataFilter(min_sitelinks=4, classes=frozenset({"Q9143"})), ["Q28865"]),
    ],
)
def test_only_wanted_items_are_taken(tmp_path, wanted, ids):
    catalog, _ = imported(tmp_path, dump(*LINES), wanted)
    assert [entity.id for entity in catalog] == ids


def test_chosen_properties_are_links_under_chosen_names(tmp_path):
    catalog, _ = imported(tmp_path, dump(*LINES), WikidataFilter(properties={"P361": "", "P31": "kind"}))
    assert catalog["Q28865"].links == (Link("part_of", "Q7"), Link("kind", "Q9143"))
    assert catalog["Q9143"].links == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINES[0][:-30], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"text"', "not an entity"),
        ('{"id": "Q5"}', "not an entity"),
        ('{"type": "item", "id": "P5"}', "not an entity"),
        ('{"type": "item", "id": "Q99999999999"}', "not an entity"),
        ('{"type": "item", "id": "Q5", "labels": {"en": "bare"}}', "not an entity"),
        ('{"type": "item", "id": "Q5", "labels": {"en": {"value": 5}}}', "not an entity"),
        (item("Q5", {"en": "x"}).replace('"claims":[]', '"claims":{"P31":[7]}'), "not an entity"),
    ],
)
def test_a_bad_line_is_counted_with_its_number_and_harms_no_other(tmp_path, line, said):
    catalog, report = imported(tmp_path, dump(LINES[0], line, LINES[1]))
    assert [entity.id for entity in catalog] == ["Q28865", "Q9143"]
    assert report.bad_lines == 1
    assert report.examples[0].number == 3
    assert said in report.examples[0].reason


def test_bytes_that_are_no_text_are_a_bad_line(tmp_path):
    _, report = imported(tmp_path, dump(LINES[0], "X", LINES[1]).replace(b"X", b'{"type":"\xff"}'))
    assert [each.number for each in report.examples] == [3]


def test_a_bad_line_is_found_behind_every_filter(tmp_path):
    _, report = imported(tmp_path, dump(LINES[0][:-1], LINES[1]), WikidataFilter(classes=frozenset({"Q7"})))
    assert (report.entities, report.bad_lines) == (1, 1)


def test_of_an_id_that_comes_twice_the_first_is_taken(tmp_path):
    catalog, report = imported(tmp_path, dump(LINES[0], item("Q28865", {"en": "Other"})))
    assert catalog["Q28865"].label == "Python"
    assert report.left_out["entities with an id that came before"] == 1


@pytest.mark.parametrize("content", [b"", b"[\n]\n", b"[]"])
def test_a_dump_of_nothing_makes_no_catalog(tmp_path, content):
    with pytest.raises(CatalogError, match="no entity came of them"):
        imported(tmp_path, content)
    assert not (tmp_path / "catalog.jsonl").exists()


def test_a_deprecated_statement_makes_nothing_of_a_class(tmp_path):
    with pytest.raises(CatalogError, match="items of other classes: 5"):
        imported(tmp_path, dump(*LINES), WikidataFilter(classes=frozenset({"Q1"})))


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_a_file_that_ends_too_early_changes_nothing(tmp_path, suffix):
    (tmp_path / "catalog.jsonl").write_text("before")
    whole = write(tmp_path / f"whole{suffix}", dump(*LINES * 50)).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[:-20])
    report = ImportReport("cut")
    with pytest.raises(CatalogError, match="cannot be read"):
        write_catalog(
            wikidata_entities(numbered_lines(cut, report), WikidataFilter(), PropertyLabels({}), report),
            tmp_path / "catalog.jsonl",
            report,
        )
    assert (tmp_path / "catalog.jsonl").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"catalog.jsonl", f"whole{suffix}", f"cut{suffix}"}


def test_a_set_of_items_knows_what_it_was_told():
    ids = ItemIds()
    for each in ("Q1", "Q8", "Q1000000"):
        ids.add(each)
    assert [each in ids for each in ("Q1", "Q8", "Q1000000", "Q2", "Q7", "Q1000001", "Q900", "P1", "", 1)] == [
        *[True] * 3,
        *[False] * 7,
    ]
