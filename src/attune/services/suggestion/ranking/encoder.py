"""Texts with their vectors; those of candidates are kept, so that one that comes again costs no call of the embedder.

What users ask is not kept: no text of theirs stays in a service.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from attune.services.suggestion.ranking.kept import MOST_BYTES, KeptTexts
from attune.services.suggestion.ranking.texts import Text

_log = structlog.get_logger("attune.suggestion")


class Embedded(NamedTuple):
    """Vectors of texts, and the model that computed them: those of another one are not comparable."""

    vectors: NDArray[np.float32]
    """Unit vectors [n, d]; a row of zeros for a text that has none."""
    model_id: str


Embed = Callable[[Sequence[str]], Awaitable[Embedded | None]]
"""Embeds n texts; None where that cannot be had."""
MOST_COLD = 24
"""So many candidates are embedded in a call; the others are ranked without vectors, and are warm another time."""


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

    def __init__(self, embed: Embed, most_bytes: int = MOST_BYTES) -> None:
        """`most_bytes` is how much memory the texts of candidates may take."""
        self._embed = embed
        self._kept = KeptTexts(most_bytes)
        self._model_id = ""
        """Of the model that computed what is kept; empty until the embedder was asked."""
        self._ignored: set[tuple[str, str]] = set()

    async def texts(
        self, needed: Sequence[str], wanted: Sequence[tuple[str, NDArray[np.float32] | None]], counted_by: str = ""
    ) -> Encoded:
        """Both as texts: all of `needed`, the user's, are embedded, and of `wanted`, candidates as (text, vector where
        known), the first 24 cold ones. One call of the embedder, or none. The vectors known are of the model
        `counted_by`; where the embedder has another one, or that is not known, they count for nothing.
        """
        is_known = bool(counted_by) and (counted_by == self._model_id or (not self._model_id and bool(needed)))
        unknown = [text for text, vector in wanted if not (is_known and vector is not None) and text not in self._kept]
        cold = list(dict.fromkeys(unknown))[:MOST_COLD]
        asked = list(dict.fromkeys([*needed, *cold]))
        vectors = await self._vectors(asked)
        if vectors is None:
            return Encoded([Text.of(text) for text in needed], [Text.of(text) for text, _ in wanted], has_vectors=False)
        if any(vector is not None for _, vector in wanted) and not self._takes(counted_by):
            wanted = [(text, None) for text, _ in wanted]
        embedded = {text: self._keep(text, vectors[text]) for text in cold}
        return Encoded(
            [Text.of(text, vectors[text]) for text in needed],
            [embedded.get(text) or self._kept.use(text) or self._given(text, vector) for text, vector in wanted],
        )

    async def _vectors(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]] | None:
        """By text. Another model empties the cache."""
        if not texts:
            return {}
        found = await self._embed(texts)
        if found is None:
            return None
        if found.model_id != self._model_id:
            self._kept.clear()
            self._model_id = found.model_id
        return dict(zip(texts, found.vectors, strict=True))

    def _takes(self, counted_by: str) -> bool:
        """Whether vectors that were counted can be compared with the embedder's; said in the log where they cannot."""
        pair = (counted_by, self._model_id)
        if counted_by and counted_by == self._model_id:
            return True
        if self._model_id and pair not in self._ignored:
            self._ignored.add(pair)
            _log.warning(
                "vectors of counted queries are ignored, as another model computed them: "
                "run `attune queries count --vectors` again",
                counted_by=counted_by,
                embedded_by=self._model_id,
            )
        return False

    def _given(self, text: str, vector: NDArray[np.float32] | None) -> Text:
        return Text.of(text) if vector is None else self._keep(text, vector)

    def _keep(self, text: str, vector: NDArray[np.float32]) -> Text:
        made = Text.of(text, vector)
        self._kept.keep(made)
        return made
