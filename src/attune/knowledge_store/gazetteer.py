"""Where a text names entities: the longest names that stand at word boundaries, found in one pass.

A word is a run of letters, digits, marks and '_'; a '.' between two such characters belongs to the word, so "path" is
not found in "os.path", while "os" is found at the end of a sentence. Scripts written without spaces have a boundary
between any two letters.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple, Self

# Han, kana, Thai, Lao, Myanmar and Khmer.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)

# The characters up to Cyrillic, and punctuation and currencies, have the marks U+0300 to U+036F only and no script
# without spaces: there, what is_boundary says is one expression. A mark that follows no word is for is_boundary.
_UNUSUAL = re.compile(r"[^\x00-\u0482\u048a-\u0530\u2010-\u205e\u20a0-\u20cf]|(?<![\w\u0300-\u036f])[\u0300-\u036f]")
_USUAL_PIECE = re.compile(r"[\w\u0300-\u036f]+(?:\.[\w\u0300-\u036f]+)*|[\s\S]")


class Match(NamedTuple):
    """text[start:end] of a normalised text is the normalised `name`."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Pieces:
    """A normalised text cut wherever a name may start or end (`is_boundary`): texts[i] begins at starts[i]."""

    whole: str
    texts: Sequence[str]
    starts: Sequence[int]
    edges: frozenset[int]
    """The boundaries: the starts, and the end of the text."""

    @classmethod
    def of(cls, whole: str) -> Self:
        if not whole.isascii() and _UNUSUAL.search(whole):
            edges = [at for at in range(len(whole) + 1) if is_boundary(whole, at)]
            texts = [whole[start:end] for start, end in pairwise(edges)]
        else:
            texts = _USUAL_PIECE.findall(whole)
            edges = list(accumulate(map(len, texts), initial=0))
        return cls(whole, texts, edges[:-1], frozenset(edges))


class Gazetteer:
    """A set of normalised names. Names without any letter or digit are left out: they would match punctuation.

    For each first piece of a name it knows how long the names are that begin so; at each piece of a text only so many
    look-ups are made. (An Aho-Corasick automaton was slower: it stops at every short name inside a word.)
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if any(_is_word(character) for character in name))
        lengths: dict[str, set[int]] = {}
        for name in self._names:  # cut within a text, a name's first piece is the same
            lengths.setdefault(Pieces.of(name).texts[0], set()).add(len(name))
        self._lengths = {first: tuple(sorted(known, reverse=True)) for first, known in lengths.items()}

    def find(self, pieces: Pieces, starts: AbstractSet[int] | None = None) -> list[Match]:
        """Matches that do not overlap, in order: the leftmost first, of those that start together the longest.

        `starts` are the only places where a match may start; all places without it.
        """
        found: list[Match] = []
        free, whole, edges, names, lengths = 0, pieces.whole, pieces.edges, self._names, self._lengths
        known = [
            (start, lengths[piece])
            for piece, start in zip(pieces.texts, pieces.starts, strict=True)
            if piece in lengths
        ]
        for start, possible in known:
            if start < free or (starts is not None and start not in starts):
                continue
            for length in possible:
                end = start + length
                if end in edges and whole[start:end] in names:
                    found.append(Match(start, end, whole[start:end]))
                    free = end
                    break
        return found


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
