"""Cuts a long text into overlapping passages that end where sentences or paragraphs do.

    passages of about equal length: n = ceil((length - overlap) / (size - overlap))

So none is a short rest, whose vector would say little of the document. Where there is no end of a sentence in time, a
passage ends between words, and where there is none of these either, anywhere. Ours: libraries that split texts by
meaning fill passage after passage instead, and leave a rest.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from attune.services.search.index.passages import Span

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
# After the sign, so that a million of them take no longer than a million of anything else.
_SENTENCES = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])[”’」』）]*\s*|\n+\s*"  # noqa: RUF001 - signs that end sentences
)
_WORDS = re.compile(r"\s+")
_LEAST_SHARE = 0.6
"""Of the size: a passage is not cut shorter than that for the sake of a sentence."""
_OVERLAP_SHARE = 0.15
"""Of the size, at most twice that."""


def cut(text: str, size: int) -> list[Span]:
    """The passages of a text, at most `size` characters each; one for a text that is no longer. Every character that is
    not white space is in at least one of them.

    Raises:
        ValueError: `size` is below 2.
    """
    if size < 2:
        raise ValueError(f"size is {size}: give at least 2 characters")
    return [span for span in (_trimmed(text, start, end) for start, end in _cut(text, size)) if span]


def _cut(text: str, size: int) -> list[Span]:
    overlap = int(size * _OVERLAP_SHARE)
    count = max(1, -(-(len(text) - overlap) // (size - overlap)))
    even = min(size, -(-(len(text) + (count - 1) * overlap) // count))
    breaks = [[match.end() for match in pattern.finditer(text)] for pattern in (_PARAGRAPHS, _SENTENCES, _WORDS)]
    spans: list[Span] = []
    start = 0
    while len(text) - start > size:
        end = _nearest(breaks, start + int(size * _LEAST_SHARE), start + size, start + even)
        spans.append((start, end))
        start = max(start + 1, _first(breaks, end - 2 * overlap, end - overlap, end))
    return [*spans, (start, len(text))]


def _nearest(breaks: Sequence[Sequence[int]], low: int, high: int, wanted: int) -> int:
    """The break between `low` and `high` that is nearest to what is wanted, of the best kind that has one there."""
    for kind in breaks:
        among = kind[bisect_left(kind, low) : bisect_right(kind, high)]
        if among:
            return min(among, key=lambda place: abs(place - wanted))
    return min(wanted, high)


def _first(breaks: Sequence[Sequence[int]], low: int, wanted: int, end: int) -> int:
    """Where the next passage starts: at a sentence from `low` on, or between words from `wanted` on, before `end`."""
    for kind, least in ((breaks[1], low), (breaks[2], wanted)):
        among = kind[bisect_left(kind, least) : bisect_left(kind, end)]
        if among:
            return among[0]
    return wanted


def _trimmed(text: str, start: int, end: int) -> Span | None:
    """Without white space around it; None where there is nothing else."""
    passage = text[start:end]
    start += len(passage) - len(passage.lstrip())
    end -= len(passage) - len(passage.rstrip())
    return (start, end) if start < end else None
