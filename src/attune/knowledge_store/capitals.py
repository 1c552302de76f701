"""What capitals tell of names (English, and what writes like it)."""

import re
from collections.abc import Iterable

from attune.knowledge_store.normalization import NormalizedText

_ASCII_CAPITAL = re.compile("[A-Z]")
_LAST_WORD = re.compile(r"\w[\w'\u2019.]*\Z")
_WORD_AFTER = re.compile(r"[ -](\w+)")
_LONGEST_WORD = 40
_OPENER = re.compile(
    r"a|an|the|in|on|at|of|for|to|by|from|with|and|but|or|as|if|when|while|after|before|he|she|it"
    r"|this|that"
)


def has_capitals(text: str) -> bool:
    """Whether the text tells proper names from others: some of its letters are capital, some are not."""
    return text != text.lower() and text != text.upper()


def capitals(text: str, normalized: NormalizedText) -> list[int]:
    """The places of the normalised text that come from capital letters, in order."""
    if text.isascii():
        found = [match.start() for match in _ASCII_CAPITAL.finditer(text)]
    else:
        found = [place for place, character in enumerate(text) if character.isupper()]
    if isinstance(normalized.starts, range):
        return found
    originals = set(found)
    return [place for place, original in enumerate(normalized.starts) if original in originals]


class Taken:
    """The spans of a text that are known names."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        both = list(spans)
        self._starts = {start for start, _ in both}
        self._ends = {end for _, end in both}

    def is_fragment(self, text: str, start: int, end: int) -> bool:
        """Whether a capitalised name has a capitalised word of no known name beside it; never if all is in capitals."""
        surface = text[start:end]
        if not surface[:1].isupper() or surface.isupper():
            return False
        return self._is_name_before(text, start) or self._is_name_after(text, end)

    def _is_name_before(self, text: str, start: int) -> bool:
        if text[start - 1 : start] not in (" ", "-") or start - 1 in self._ends:
            return False
        found = _LAST_WORD.search(text[max(0, start - _LONGEST_WORD) : start - 1].replace("-", " ").rpartition(" ")[2])
        word = found.group() if found else "-"
        return word[0].isupper() and not word.endswith(".") and not _OPENER.fullmatch(word.lower())

    def _is_name_after(self, text: str, end: int) -> bool:
        after = _WORD_AFTER.match(text, end)
        return after is not None and end + 1 not in self._starts and after.group(1)[0].isupper()
