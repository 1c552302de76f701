"""Passages of the documents that the encoder does not read to their end."""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from attune.services.search.cutting import cut
from attune.services.search.gateway import Gateway, Read
from attune.services.search.index.passages import Passages, Span
from attune.services.search.index.port import Document

_RECIPE = "passages/1"
"""Changes whenever documents are cut in another way."""
_CHARACTERS_PER_TOKEN = 4
"""Of English. Where a passage turns out to have more tokens than are read, it is cut again."""
_LEAST_CHARACTERS = 200
_ROUNDS = 4
_AT_ONCE = 128
"""Passages are embedded so many at a time: documents may have thousands."""


class PassageMaker:
    """Cuts documents and embeds their passages, at most `most` of each document; 0: none."""

    def __init__(self, gateway: Gateway, most: int) -> None:
        self._gateway = gateway
        self._most = most

    def digest(self, digest: str) -> str:
        """Of a document that was cut: not that of one that was not, nor of one that is cut otherwise."""
        return hashlib.sha256(f"{digest} {_RECIPE} {self._most}".encode()).hexdigest()

    async def passages(
        self, documents: Sequence[tuple[Document, Read]], experts: Collection[str]
    ) -> dict[str, Passages]:
        """By id, those of the documents that were not read to their end."""
        spans = {document.id: self._spans(document, read) for document, read in documents if read.is_cut}
        long = [(document, read) for document, read in documents if len(spans.get(document.id, ())) > 1]
        rows: dict[str, dict[Span, Read]] = {
            # What was read of the document is its first passage, and a little more.
            document.id: {spans[document.id][0]: read}
            for document, read in long
        }
        pending = [(document, span) for document, _ in long for span in spans[document.id][1:]]
        for last in (*[False] * (_ROUNDS - 1), True):
            pending = await self._embed(pending, experts, rows, last=last)
        return {document.id: _passages(rows[document.id], self._most) for document, _ in long}

    def _spans(self, document: Document, read: Read) -> list[Span]:
        size = max(_LEAST_CHARACTERS, _CHARACTERS_PER_TOKEN * read.tokens - len(document.title) - 1)
        return cut(document.text, size)[: self._most]

    async def _embed(
        self,
        pending: Sequence[tuple[Document, Span]],
        experts: Collection[str],
        rows: dict[str, dict[Span, Read]],
        *,
        last: bool,
    ) -> list[tuple[Document, Span]]:
        """Embed passages into `rows`; return the halves of those that were not read to their end, unless these are the
        last ones. A passage without a word that the model knows is left out.
        """
        halves: list[tuple[Document, Span]] = []
        for start in range(0, len(pending), _AT_ONCE):
            some = pending[start : start + _AT_ONCE]
            for (document, span), read in zip(some, await self._gateway.span_vectors(some, experts), strict=True):
                if isinstance(read, str):
                    continue
                if read.is_cut and not last:
                    halves += [(document, half) for half in _halves(document.text, span)]
                else:
                    rows[document.id][span] = read
        return halves


def _halves(text: str, span: Span) -> list[Span]:
    start, end = span
    size = max(2, (end - start) * 5 // 8)
    return [(start + first, start + second) for first, second in cut(text[start:end], size)]


def _passages(rows: dict[Span, Read], most: int) -> Passages:
    spans = sorted(rows)[:most]
    return Passages(spans, np.stack([rows[span].vector for span in spans]))
