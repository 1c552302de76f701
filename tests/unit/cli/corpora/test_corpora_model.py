import json

from attune.services.cli.corpora.model import CatalogEntity, Corpus


def test_an_entity_is_one_json_line_of_the_catalog_format() -> None:
    entity = CatalogEntity("a.b", "a.b", ("b", "β"), "What it\nis", (("part_of", "a"), ("mentions", "c")))
    line = entity.to_json()
    assert "\n" not in line
    assert "β" in line
    assert json.loads(line) == {
        "id": "a.b",
        "label": "a.b",
        "aliases": ["b", "β"],
        "description": "What it\nis",
        "links": [{"relation": "part_of", "target": "a"}, {"relation": "mentions", "target": "c"}],
    }


def test_a_corpus_gives_one_line_for_each_entity_in_order() -> None:
    corpus = Corpus("c", [], [CatalogEntity("x", "x"), CatalogEntity("y", "y")])
    assert [json.loads(line)["id"] for line in corpus.catalog_lines()] == ["x", "y"]
