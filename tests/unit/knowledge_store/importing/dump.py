"""A small dump in Wikidata's format, made here."""

import bz2
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress}


def statement(target: str, rank: str = "normal") -> dict[str, Any]:
    value = {"entity-type": "item", "numeric-id": int(target[1:]), "id": target}
    snak = {"snaktype": "value", "datavalue": {"type": "wikibase-entityid", "value": value}}
    return {"mainsnak": snak, "type": "statement", "rank": rank}


def nothing(snaktype: str = "somevalue") -> dict[str, Any]:
    return {"mainsnak": {"snaktype": snaktype}, "type": "statement", "rank": "normal"}


def text(value: str) -> dict[str, Any]:
    snak = {"snaktype": "value", "datavalue": {"type": "string", "value": value}}
    return {"mainsnak": snak, "type": "statement", "rank": "normal"}


def texts(**by_language: str) -> dict[str, Any] | list[Any]:
    """As Wikidata writes them: an empty map is an empty list."""
    return {tag: {"language": tag, "value": value} for tag, value in by_language.items()} or []


def item(
    entity_id: str,
    labels: dict[str, str],
    aliases: dict[str, Sequence[str]] | None = None,
    descriptions: dict[str, str] | None = None,
    claims: dict[str, list[dict[str, Any]]] | None = None,
    sitelinks: int = 1,
    kind: str = "item",
) -> str:
    """A line of the dump, without its comma."""
    fields = {
        "type": kind,
        "id": entity_id,
        "labels": texts(**labels),
        "descriptions": texts(**descriptions or {}),
        "aliases": {tag: [{"language": tag, "value": each} for each in names] for tag, names in (aliases or {}).items()}
        or [],
        "claims": claims or [],
        "sitelinks": {f"{number}wiki": {} for number in range(sitelinks)} or [],
    }
    return json.dumps(fields, separators=(",", ":"))


def dump(*lines: str) -> bytes:
    """The array, an entity on each line."""
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(COMPRESS.get(path.suffix, bytes)(content))
    return path
