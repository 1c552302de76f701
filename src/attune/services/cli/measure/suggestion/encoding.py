"""Vectors of texts, computed in this process, each text once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attune.embeddings.items import Embedded, EmbedItem, Role
from attune.services.cli.output import progress
from attune.services.suggestion.ranking.texts import Text

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder

_BATCH = 256


class Encoded:
    """Texts as the ranker sees them. A text without tokens has no vector."""

    def __init__(self, embedder: "Embedder") -> None:
        self._embedder = embedder
        self._texts: dict[str, Text] = {}

    def prepare(self, texts: Iterable[str]) -> None:
        """Embed those that are not yet."""
        wanted = sorted({each for each in texts if each not in self._texts}, key=lambda text: (len(text), text))
        with progress() as bar:
            for start in bar.track(range(0, len(wanted), _BATCH), description="embedding"):
                part = wanted[start : start + _BATCH]
                items = [EmbedItem(text, role=Role.QUERY, domain="general") for text in part]
                for text, found in zip(part, self._embedder.embed(items).results, strict=True):
                    self._texts[text] = Text.of(text, found.vector if isinstance(found, Embedded) else None)

    def __getitem__(self, text: str) -> Text:
        return self._texts[text]
