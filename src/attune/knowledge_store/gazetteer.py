"""Where a text names entities: the longest names that stand at word boundaries, found in one pass (Aho-Corasick).

A word is a run of letters, digits, marks and '_'; a '.' between two such characters belongs to the word, so "path" is
not found in "os.path", while "os" is found at the end of a sentence. Scripts written without spaces have a boundary
between any two letters.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import ahocorasick

from attune.knowledge_store.normalization import NormalizedText, normalize_name

# Han, kana, Thai, Lao, Myanmar and Khmer.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Match:
    """text[start:end] of a normalised text is the normalised `name`; `names` are the entries added under it."""

    start: int
    end: int
    name: str
    entity_ids: tuple[str, ...]


class Gazetteer:
    """An automaton over (name, entity id) pairs; one name may stand for several entities.

    Names without any letter or digit are left out: they would match punctuation.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        by_name: dict[str, dict[str, None]] = {}
        for name, entity_id in names:
            key = normalize_name(name)
            if any(_is_word(character) for character in key):
                by_name.setdefault(key, {})[entity_id] = None
        self._automaton = ahocorasick.Automaton()
        for key, entity_ids in by_name.items():
            self._automaton.add_word(key, (key, tuple(entity_ids)))
        self._automaton.make_automaton()
        self._is_empty = not by_name

    def find(self, text: NormalizedText) -> list[Match]:
        """Matches that do not overlap, in order: the leftmost first, of those that start together the longest."""
        if self._is_empty:
            return []
        found = []
        for last, (name, entity_ids) in self._automaton.iter(text.text):
            start, end = last + 1 - len(name), last + 1
            if is_boundary(text.text, start) and is_boundary(text.text, end):
                found.append(Match(start, end, name, entity_ids))
        found.sort(key=lambda match: (match.start, -match.end))
        return _without_overlaps(found)


def _without_overlaps(found: list[Match]) -> list[Match]:
    chosen: list[Match] = []
    for match in found:
        if not chosen or match.start >= chosen[-1].end:
            chosen.append(match)
    return chosen


def is_boundary(text: str, at: int) -> bool:
    """Whether a name may start or end between text[at - 1] and text[at]."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if unicodedata.category(after)[0] == "M":
        return False
    if _UNSPACED.match(before) or _UNSPACED.match(after):
        return True
    if after == ".":
        return not (_is_word(before) and at + 1 < len(text) and _is_word(text[at + 1]))
    if before == ".":
        return not (at >= 2 and _is_word(text[at - 2]) and _is_word(after))
    return not (_is_word(before) and _is_word(after))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
