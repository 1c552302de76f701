"""Where a text names entities: the longest names that stand at word boundaries, found in one pass.

A word is a run of letters, digits, marks and '_'; a '.' between two such characters belongs to the word, so "path" is
not found in "os.path", while "os" is found at the end of a sentence. Scripts written without spaces have a boundary
between any two letters.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from attune.knowledge_store.normalization import NormalizedText

# Han, kana, Thai, Lao, Myanmar and Khmer.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)

# The characters up to Cyrillic, and punctuation and currencies, have the marks U+0300 to U+036F only and no script
# without spaces: there, what is_boundary says is one expression. A mark that follows no word is for is_boundary.
_UNUSUAL = re.compile(r"[^\x00-\u0482\u048a-\u0530\u2010-\u205e\u20a0-\u20cf]|(?<![\w\u0300-\u036f])[\u0300-\u036f]")
_USUAL_WORD = re.compile(r"[\w\u0300-\u036f]+(?:\.[\w\u0300-\u036f]+)*")


class Match(NamedTuple):
    """text[start:end] of a normalised text is the normalised `name`."""

    start: int
    end: int
    name: str


class Gazetteer:
    """A set of normalised names. Names without any letter or digit are left out: they would match punctuation.

    For each first word of a name it knows how long the names are that begin so; at each word of a text only so many
    look-ups are made. (An Aho-Corasick automaton was slower: it stops at every short name inside a word.)
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if any(_is_word(character) for character in name))
        lengths: dict[str, set[int]] = {}
        for name in self._names:
            lengths.setdefault(_first_piece(name), set()).add(len(name))
        self._lengths = {first: tuple(sorted(known, reverse=True)) for first, known in lengths.items()}

    def find(
        self, text: NormalizedText, inside: bytearray | None = None, starts: Iterable[int] | None = None
    ) -> list[Match]:
        """Matches that do not overlap, in order: the leftmost first, of those that start together the longest.

        `inside` is `inside_words` of the text, where the caller has it already; `starts` are the only places, in order,
        where a match may start, all places without it.
        """
        whole = text.text
        inside = inside_words(whole) if inside is None else inside
        found: list[Match] = []
        free, size, lengths, next_place = 0, len(whole), self._lengths, inside.find
        for start in _places(inside, size) if starts is None else starts:
            if start < free or inside[start]:
                continue
            known = lengths.get(whole[start : next_place(0, start + 1)], ())
            for length in known:
                end = start + length
                if end <= size and not inside[end] and whole[start:end] in self._names:
                    found.append(Match(start, end, whole[start:end]))
                    free = end
                    break
        return found


def _places(inside: bytearray, size: int) -> Iterator[int]:
    """Where a name may start, in order."""
    place = inside.find(0)
    while 0 <= place < size:
        yield place
        place = inside.find(0, place + 1)


def _first_piece(name: str) -> str:
    """Up to the first place inside where a name could end. Such places are the same wherever the name is a match."""
    return name[: inside_words(name).find(0, 1)]


def inside_words(text: str) -> bytearray:
    """One byte for each place from 0 to len(text): 0 where `is_boundary`, else 1."""
    inside = bytearray(len(text) + 1)
    if _UNUSUAL.search(text):
        for at in range(1, len(text)):
            inside[at] = not is_boundary(text, at)
        return inside
    for word in _USUAL_WORD.finditer(text):
        start, end = word.span()
        inside[start + 1 : end] = b"\1" * (end - start - 1)
    return inside


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
