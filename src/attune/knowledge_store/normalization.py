"""Text as names are compared in it, with the way back to the original offsets.

Caseless compatibility matching, Unicode 3.13 D146: NFKD(casefold(NFKD(casefold(NFD(x))))), applied to one base
character and its combining marks at a time. Two texts are equal under it exactly when their NFKC case foldings are; the
decomposed form is the one that maps back piece by piece. Beyond it: runs of white space become one space, and format
characters (zero-width, direction marks, soft hyphens) vanish. So do Arabic's tatweel, which only stretches a word, and
its signs for short vowels and doubled letters, which are written now and then; hamza and madda stay.
"""

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Printable ASCII with single spaces in it, up to a character that could carry a combining mark; white space; any other
# single character.
_PIECE = re.compile(r"[!-~]+(?: [!-~]+)*(?=[\x00-\x7f]|\Z)|\s+|\S")
_LONGEST_CLUSTER = (
    31  # a base and 30 marks (Stream-Safe Text Format, UAX #15 section 13): sorting a run of marks is quadratic
)
_HALFWIDTH_SOUND_MARKS = "\uff9e\uff9f"  # letters whose decomposition is a mark
_TATWEEL = "\u0640"
_ARABIC_OPTIONAL = frozenset((_TATWEEL, "\u0670", *map(chr, range(0x064B, 0x0653))))
_NEEDS_FOLDING = re.compile(r"\s\s|[^\S ]")


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """Character i of `text` came from the original's characters starts[i] up to, not including, ends[i]."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that became text[start:end], which must not be empty."""
        return self.starts[start], self.ends[end - 1]


def normalize(text: str) -> NormalizedText:
    """Linear in the length of the text; never fails, whatever the characters."""
    if text.isascii() and not _NEEDS_FOLDING.search(text):
        return NormalizedText(text.lower(), range(len(text)), range(1, len(text) + 1))
    pieces: list[str] = []
    starts, ends = array("Q"), array("Q")
    at = 0
    while match := _PIECE.match(text, at):
        start, at = match.span()
        piece = match.group()
        if len(piece) > 1 and not piece.isspace():
            pieces.append(piece.lower())
            starts.extend(range(start, at))
            ends.extend(range(start + 1, at + 1))
            continue
        if piece.isspace():
            folded = " "
        else:
            at = _cluster_end(text, at, min(len(text), start + _LONGEST_CLUSTER))
            folded = _fold(text[start:at])
        pieces.append(folded)
        starts.extend([start] * len(folded))
        ends.extend([at] * len(folded))
    return NormalizedText("".join(pieces), starts, ends)


def normalize_name(name: str) -> str:
    """A label or alias as it is looked for in normalised text; may be empty."""
    return normalize(name).text.strip()


def _cluster_end(text: str, at: int, limit: int) -> int:
    """Past the last mark that belongs to the character before `at`; format characters may stand between marks."""
    end = at
    if _is_format(text[at - 1]):
        return end
    while at < limit and ((is_mark := _is_mark(text[at])) or _is_format(text[at])):
        at += 1
        end = at if is_mark else end
    return end


def _is_mark(character: str) -> bool:
    return bool(unicodedata.combining(character)) or character in _HALFWIDTH_SOUND_MARKS


def _is_format(character: str) -> bool:
    """Whether nothing is to be seen of it that counts: marks behind it belong to what is before it."""
    return unicodedata.category(character) == "Cf" or character == _TATWEEL


@lru_cache(maxsize=8192)
def _fold(cluster: str) -> str:
    visible = "".join(character for character in cluster if not _is_format(character))
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", visible).casefold())
    folded = unicodedata.normalize("NFKD", decomposed.casefold())
    return "".join(character for character in folded if character not in _ARABIC_OPTIONAL)
