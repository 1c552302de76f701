"""A knowledge base as it is published: entities as JSON lines, and where there are some, triples of their graph.

CATALOG       {"id" or "qid", "label", "aliases"?, "description"?, "wikipedia"? (the page's address), "links"?} a line
TRIPLES       head, relation, tail (a tab between, further columns ignored); ids of the catalog, or those that
entities.jsonl beside TRIPLES, where it is there, translates: {"id", "qid"} a line (Freebase to Wikidata)
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from attune.knowledge_store.catalog import Catalog
from attune.services.cli.corpora.jsonlines import JsonLine, read_json_lines
from attune.services.cli.corpora.model import CorpusError

_COLUMNS = 3


@dataclass(frozen=True)
class KnowledgeBase:
    """`translation` maps other ids, such as Freebase's, to those of the catalog; `left_out` entities have no label."""

    catalog: Catalog
    translation: Mapping[str, str]
    left_out: int


def load_knowledge_base(catalog: Path, triples: Path | None) -> KnowledgeBase:
    """Raises `CorpusError` or `CatalogError`, naming file, line, field and mend."""
    translation = _translation(triples.parent / "entities.jsonl") if triples is not None else {}
    links = _links(triples, translation) if triples is not None else {}
    records = list(read_json_lines(catalog))
    labelled = [record for record in records if record.text("label").strip()]
    lines = (json.dumps(_entity(record, links), ensure_ascii=False) for record in labelled)
    return KnowledgeBase(Catalog.load(lines), translation, len(records) - len(labelled))


def _entity(line: JsonLine, links: Mapping[str, list[dict[str, str]]]) -> dict[str, Any]:
    """The catalog's fields. The title of the Wikipedia page is one more name; what it has in parentheses describes."""
    entity_id = line.text("id") or line.text("qid", required=True)
    title, _, apart = _title(line.text("wikipedia")).partition(" (")
    return {
        "id": entity_id,
        "label": line.text("label"),
        "aliases": [*_items(line, "aliases"), *([title] if title else [])],
        "description": f"{line.text('description')} {apart.removesuffix(')')}".strip(),
        "links": [*_items(line, "links"), *links.get(entity_id, ())],
    }


def _items(line: JsonLine, field: str) -> list[Any]:
    value = line.fields.get(field) or []
    if not isinstance(value, list):
        raise line.error(field, f"a {type(value).__name__}, not a list; write it as one")
    return value


def _title(address: str) -> str:
    return unquote(address.rpartition("/wiki/")[2]).replace("_", " ") if "/wiki/" in address else ""


def _translation(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    return {line.text("id"): str(line.fields["qid"]) for line in read_json_lines(file) if line.fields.get("qid")}


def _links(file: Path, translation: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    links: dict[str, list[dict[str, str]]] = {}
    for head, relation, tail in _triples(file):
        link = {"relation": relation, "target": translation.get(tail, tail)}
        links.setdefault(translation.get(head, head), []).append(link)
    return links


def _triples(file: Path) -> Iterator[list[str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"--triples {file}: {error}: give a UTF-8 file of head, relation and tail") from error
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        if len(columns) < _COLUMNS:
            raise CorpusError(f"--triples {file}, line {number}: no tail: write head, relation and tail, tabs between")
        yield columns[:_COLUMNS]
