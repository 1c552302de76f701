"""Gold mentions: JSON lines, a file for each set.

Texts:    {"id", "text", "mentions": [{"start", "end", "qid" (null: in no knowledge base)}]}, offsets in characters
Queries:  {"id", "text", "entities": [{"surface", "mid"}]}; a surface that comes twice may mean either
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from attune.services.cli.corpora.jsonlines import JsonLine, read_json_lines
from attune.services.cli.corpora.model import CorpusError


@dataclass(frozen=True)
class GoldMention:
    """text[start:end] means any of `entity_ids`; none of them where no knowledge base has what it means."""

    start: int
    end: int
    entity_ids: frozenset[str]


@dataclass(frozen=True)
class GoldText:
    text: str
    mentions: tuple[GoldMention, ...]
    unlocated: int = 0
    """So many more mentions, whose surface the text does not have: nothing can be said of them."""


@dataclass(frozen=True)
class GoldSet:
    name: str
    texts: tuple[GoldText, ...]


def read_gold(directory: Path, translation: Mapping[str, str], but: Path) -> list[GoldSet]:
    """Each .jsonl file of the directory but the knowledge base itself, by name.

    `translation` is for ids of another kind than the catalog's. Raises `CorpusError` naming file, line, field and mend.
    """
    files = [file for file in sorted(directory.glob("*.jsonl")) if file.resolve() != but.resolve()]
    if not files:
        raise CorpusError(f"--data {directory}: no .jsonl files of gold mentions there: give their directory")
    return [
        GoldSet(file.stem, tuple(_gold_text(line, translation) for line in read_json_lines(file))) for file in files
    ]


def split(whole: GoldSet, share: float, seed: int) -> tuple[GoldSet, GoldSet]:
    """A share of the texts, drawn at random, and the rest; both in the order of the file."""
    places = range(len(whole.texts))
    drawn = set(Random(seed).sample(places, round(share * len(places))))  # noqa: S311 - no secret
    first, rest = ([whole.texts[i] for i in places if (i in drawn) is wanted] for wanted in (True, False))
    return GoldSet(whole.name, tuple(first)), GoldSet(whole.name, tuple(rest))


def _gold_text(line: JsonLine, translation: Mapping[str, str]) -> GoldText:
    text = line.text("text")
    if "mentions" in line.fields:
        return GoldText(text, tuple(_mention(each, text, line) for each in _objects(line, "mentions")))
    if "entities" in line.fields:
        return _query(line, text, translation)
    raise line.error("mentions", "missing, and so is entities; give the gold mentions of the text, [] for none")


def _objects(line: JsonLine, field: str) -> list[Mapping[str, Any]]:
    value = line.fields[field]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise line.error(field, "not a list of objects: write it as one")
    return value


def _mention(fields: Mapping[str, Any], text: str, line: JsonLine) -> GoldMention:
    start, end, entity_id = fields.get("start"), fields.get("end"), fields.get("qid")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
        raise line.error("mentions", f"start {start} and end {end} are no span of the text: count characters")
    if not isinstance(entity_id, str | None):
        raise line.error("mentions", f"qid is a {type(entity_id).__name__}: write a string, or null")
    return GoldMention(start, end, frozenset([entity_id] if entity_id else []))


def _query(line: JsonLine, text: str, translation: Mapping[str, str]) -> GoldText:
    meant: dict[str, set[str]] = {}
    for each in _objects(line, "entities"):
        surface, other_id = each.get("surface"), each.get("mid")
        if not (isinstance(surface, str) and surface and isinstance(other_id, str)):
            raise line.error("entities", "surface or mid is missing: give both as strings")
        meant.setdefault(surface, set()).add(translation.get(other_id, other_id))
    found = list(_located(text, meant))
    return GoldText(text, tuple(found), unlocated=len(meant) - len(found))


def _located(text: str, meant: Mapping[str, set[str]]) -> Iterator[GoldMention]:
    for surface, entity_ids in meant.items():
        start = text.lower().find(surface.lower())
        if start >= 0:
            yield GoldMention(start, start + len(surface), frozenset(entity_ids))
