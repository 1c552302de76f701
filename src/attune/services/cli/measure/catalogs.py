"""Catalogs to measure with, as collections of entities have them."""

import json
from pathlib import Path

from attune.knowledge_store.catalog import Catalog
from attune.services.cli.corpora.jsonlines import read_json_lines


def labelled_catalog(path: Path) -> Catalog:
    """As `Catalog.load`, where collections of Wikidata entities call the id a qid; those without a label are left out:
    nobody could say whether they are a user's.
    """
    fields = (line.fields for line in read_json_lines(path))
    named = ({"id": each.get("qid"), **each} for each in fields if each.get("label"))
    return Catalog.load(json.dumps(each) for each in named)
