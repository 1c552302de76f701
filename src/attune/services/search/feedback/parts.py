"""Parts of a query, known again without their words: by a keyed digest of consecutive words.

The key is the process's own and never leaves it: a digest in memory tells nothing to who has not seen the words.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

from attune.services.search.index.port import FloatVector

LONGEST = 8192
"""Characters: no longer text is a part, as no query is longer."""
_TOKEN = re.compile(r"\S+")
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """What is searched for in the place of a part: by its meaning, a vector for each expert's space."""

    vectors: Mapping[str, FloatVector] = field(default_factory=dict)
    """By the space's key; empty for the general expert's."""

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(vector.nbytes for vector in self.vectors.values())


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """So many consecutive words, by their digest; None as `replacement`: nothing comes in their place."""

    digest: bytes
    words: int
    replacement: Replacement | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text, in the form that two texts are compared in, and where they stand."""

    text: str
    forms: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Case and the signs around a word do not count; signs alone are no word."""
        found = [(form, match.span()) for match in _TOKEN.finditer(text) if (form := _form(match[0]))]
        return cls(text, tuple(form for form, _ in found), tuple(span for _, span in found))

    def digest(self, key: bytes, start: int, count: int) -> bytes:
        """Of `count` words from the one at `start` on."""
        return blake2b(" ".join(self.forms[start : start + count]).encode(), key=key, digest_size=16).digest()


def part_of(text: str, key: bytes, replacement: Replacement | None = None) -> Part | None:
    """The part that this text is; None where it has no word."""
    words = Words.of(text)
    count = len(words.forms)
    return Part(words.digest(key, 0, count), count, replacement) if count else None


def is_part(text: str, parts: Iterable[Part], key: bytes) -> Part | None:
    """The part that the whole of a text is, if any."""
    if len(text) > LONGEST:
        return None
    words = Words.of(text)
    count = len(words.forms)
    return next((each for each in parts if each.words == count and each.digest == words.digest(key, 0, count)), None)


def without(text: str, parts: Iterable[Part], key: bytes) -> tuple[str, list[Part]]:
    """A text without the parts that occur in it, and which these are. The longest goes first."""
    found = []
    for part in sorted(parts, key=lambda each: -each.words):
        words = Words.of(text)
        places = [
            start
            for start in range(len(words.forms) - part.words + 1)
            if words.digest(key, start, part.words) == part.digest
        ]
        if places:
            found.append(part)
            text = _cut(words, places, part.words)
    return text, found


def _cut(words: Words, places: list[int], count: int) -> str:
    """From the last on, so that the places before it stay; of places that overlap, the later."""
    text, end = words.text, len(words.text) + 1
    for place in reversed(places):
        first, last = words.spans[place][0], words.spans[place + count - 1][1]
        if last <= end:
            text = f"{text[:first].rstrip()} {text[last:].lstrip()}".strip()
            end = first
    return text


def _form(token: str) -> str:
    """The signs of C++ are of the name: only those at the edges of a word with others go, and not of + or #."""
    return _EDGES.sub("", token.casefold()) if not token.endswith(("+", "#")) else token.casefold()
