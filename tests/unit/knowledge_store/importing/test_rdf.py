import gzip
import logging
from pathlib import Path

import pytest

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.importing.facts import entities_of
from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.rdf import RdfFilter, facts_of, ntriples, turtle
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.importing.writing import write_catalog
from attune.knowledge_store.model import Link

TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix schema: <https://schema.org/> .
@prefix ex: <http://example.org/> .

ex:flu rdfs:label "influenza"@en-GB, "Grippe"@de ; skos:prefLabel "Influenza"@en ; skos:altLabel "flu"@en, "the flu" ;
  schema:description "An infection."@en ; ex:partOf ex:viral ; ex:seenIn [ rdfs:label "somewhere" ] ; ex:near ex:ghost .
ex:viral schema:name "Viral disease" ; rdfs:comment "Caused by viruses." ; ex:since "no date"^^ex:date .
ex:nameless ex:partOf ex:viral .
"""
NTRIPLES = """# a comment
<http://example.org/viral> <https://schema.org/name> "Viral disease" .
<http://example.org/flu> <http://example.org/partOf> <http://example.org/viral> .

<http://example.org/viral> <http://www.w3.org/2000/01/rdf-schema#comment> "Caused by\\nviruses." .
<http://example.org/flu> <http://www.w3.org/2000/01/rdf-schema#label> "Gr\\u00EDpe"@es .
<http://example.org/flu> <http://www.w3.org/2000/01/rdf-schema#label> "Flu"@en .
_:b1 <http://www.w3.org/2000/01/rdf-schema#label> "blank" .
<http://example.org/flu> <http://example.org/when> "x"^^<http://www.w3.org/2001/XMLSchema#date> .
"""
ENGLISH = RdfFilter()
FLU, VIRAL = "http://example.org/flu", "http://example.org/viral"


def imported(directory: Path, content: str, wanted: RdfFilter = ENGLISH, name: str = "x.ttl", strict: bool = False):
    path = directory / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    report = ImportReport(name, strict)
    triples = turtle(path, report) if ".ttl" in name else ntriples(numbered_lines(path, report), report)
    write_catalog(entities_of(facts_of(triples, wanted, report), report), directory / "catalog.jsonl", report)
    return Catalog.load(directory / "catalog.jsonl"), report


@pytest.mark.parametrize("name", ["x.ttl", "x.ttl.gz"])
def test_subjects_with_a_label_become_entities(tmp_path, name):
    catalog, report = imported(tmp_path, TURTLE, name=name)
    assert [entity.id for entity in catalog] == [FLU, VIRAL]
    flu = catalog[FLU]
    assert (flu.label, flu.description) == ("Influenza", "An infection.")
    assert set(flu.aliases) == {"influenza", "flu", "the flu"}
    assert flu.links == (Link("partOf", VIRAL),)
    assert (catalog[VIRAL].label, catalog[VIRAL].description) == ("Viral disease", "Caused by viruses.")
    assert report.left_out["subjects without a label in the languages"] == 1
    assert report.left_out["texts in other languages"] == 1
    assert report.left_out["links to entities that are not there"] == 1


def test_the_first_language_gives_the_label(tmp_path):
    catalog, _ = imported(tmp_path, TURTLE, RdfFilter(languages=("de", "en")))
    assert catalog[FLU].label == "Grippe"
    assert "Influenza" in catalog[FLU].aliases


@pytest.mark.parametrize(("name", "relation"), [("part_of", "part_of"), ("", "partOf")])
def test_chosen_properties_are_links(tmp_path, name, relation):
    wanted = RdfFilter(properties={"http://example.org/partOf": name, "http://example.org/other": ""})
    assert imported(tmp_path, TURTLE, wanted)[0][FLU].links == (Link(relation, VIRAL),)


def test_ntriples_may_come_in_any_order(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        catalog, report = imported(tmp_path, NTRIPLES, RdfFilter(languages=("en", "es")), "x.nt")
    flu, viral = catalog
    assert (flu.id, flu.label, flu.aliases, flu.links) == (FLU, "Flu", ("Grípe",), (Link("partOf", VIRAL),))
    assert viral.description == "Caused by\nviruses."
    assert report.left_out["triples with blank nodes"] == 1
    assert report.bad_lines == 0
    assert caplog.records == []


@pytest.mark.parametrize(
    "bad", ["<http://a> <http://b> .", "nonsense", '<a> <b> "open .', "<http://a> <http://b> <c> . x"]
)
def test_a_bad_line_is_counted_with_its_number_or_ends_it(tmp_path, bad):
    content = f"{bad}\n{NTRIPLES}"
    catalog, report = imported(tmp_path, content, name="x.nt")
    assert len(catalog) == 2
    assert [(each.number, each.reason[:13]) for each in report.examples] == [(1, "not N-Triples")]
    with pytest.raises(CatalogError, match=r"x\.nt, line 1: not N-Triples"):
        imported(tmp_path, content, name="x.nt", strict=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("@prefix ex: <http://e/> .\nex:a ex:b .", "line 2: not Turtle"),
        ("<a:b> <a:c>", "cannot be read"),
        ("a b c", "line 1: not Turtle"),
    ],
)
def test_bad_turtle_is_refused_with_its_line(tmp_path, content, said):
    with pytest.raises(CatalogError, match=said):
        imported(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"gone\.ttl: cannot be read"):
        list(turtle(tmp_path / "gone.ttl", ImportReport("x")))
