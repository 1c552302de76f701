"""Texts with their vectors; those of candidates are kept, so that one that comes again costs no call of the embedder.

What users ask is not kept: no text of theirs stays in a service.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.known import normalised
from attune.services.suggestion.ranking.texts import Text

Embed = Callable[[Sequence[str]], Awaitable[NDArray[np.float32] | None]]
"""Unit vectors [n, d] of texts, a row of zeros for a text that has none; None where they cannot be had."""
MOST_COLD = 24
"""So many candidates are embedded in a call; the others are ranked without vectors, and are warm another time."""
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts of a user and of candidates."""

    needed: Sequence[Text]
    wanted: Sequence[Text]
    has_vectors: bool = True
    """Whether embedding answered, where it was asked. Else no text has a vector: where the user's have none, those of a
    few candidates would only set them apart from the others.
    """


class Encoder:
    """One a service; only its event loop may call it."""

    def __init__(self, embed: Embed, kept: int = _KEPT) -> None:
        self._embed = embed
        self._most = kept
        self._kept: OrderedDict[str, Text] = OrderedDict()

    async def texts(self, needed: Sequence[str], wanted: Sequence[tuple[str, NDArray[np.float32] | None]]) -> Encoded:
        """Both as texts: all of `needed`, the user's, are embedded, and of `wanted`, candidates as (text, vector where
        known), the first 24 cold ones. One call of the embedder, or none.
        """
        unknown = [text for text, vector in wanted if vector is None and not self._is_warm(text)]
        cold = list(dict.fromkeys(unknown))[:MOST_COLD]
        asked = list(dict.fromkeys([*needed, *cold]))
        rows = await self._embed(asked) if asked else ()
        if rows is None:
            return Encoded([Text.of(text) for text in needed], [Text.of(text) for text, _ in wanted], has_vectors=False)
        vectors = dict(zip(asked, rows, strict=True))
        embedded = {text: self._keep(text, vectors[text]) for text in cold}
        return Encoded(
            [Text.of(text, vectors[text]) for text in needed],
            [embedded.get(text) or self._warm(text) or self._given(text, vector) for text, vector in wanted],
        )

    def _given(self, text: str, vector: NDArray[np.float32] | None) -> Text:
        return Text.of(text) if vector is None else self._keep(text, vector)

    def _is_warm(self, text: str) -> bool:
        return normalised(text) in self._kept

    def _warm(self, text: str) -> Text | None:
        key = normalised(text)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, text: str, vector: NDArray[np.float32]) -> Text:
        made = Text.of(text, vector)
        self._kept[normalised(text)] = made
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made
