"""Texts with their vectors, those used last, of no more bytes in all than allowed."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from sys import getsizeof

from attune.services.suggestion.known import normalised
from attune.services.suggestion.ranking.texts import Text

MOST_BYTES = 64 << 20
"""Some 30,000 short queries with vectors of 384 numbers."""
_OF_ARRAY = 112
_OF_ENTRY = 160
"""Of the objects around a text, and its place among the others."""


class KeptTexts:
    """By normalised text."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._texts: OrderedDict[str, Text] = OrderedDict()
        self.bytes = 0
        """That all of them take, as near as can be told without asking the allocator."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __contains__(self, text: str) -> bool:
        return normalised(text) in self._texts

    def use(self, text: str) -> Text | None:
        """The text, which is the one used last from now on; None where it is not kept."""
        key = normalised(text)
        if key in self._texts:
            self._texts.move_to_end(key)
        return self._texts.get(key)

    def keep(self, text: Text) -> None:
        """Keep it, and drop as many of those not used for longest as it takes: itself too, where it is too long."""
        key = normalised(text.text)
        # A row of an array keeps the whole array alive, and with it the vectors of what the user asked.
        kept = text if text.vector is None else replace(text, vector=text.vector.copy())
        self._drop(key)
        self._texts[key] = kept
        self.bytes += _bytes(key, kept)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._texts)))

    def clear(self) -> None:
        """Drop all."""
        self._texts.clear()
        self.bytes = 0

    def _drop(self, key: str) -> None:
        held = self._texts.pop(key, None)
        if held is not None:
            self.bytes -= _bytes(key, held)


def _bytes(key: str, text: Text) -> int:
    arrays = [each for each in (text.vector, text.trigrams, text.words) if each is not None]
    strings = getsizeof(key) + getsizeof(text.text)
    return strings + sum(each.nbytes + _OF_ARRAY for each in arrays) + _OF_ENTRY
