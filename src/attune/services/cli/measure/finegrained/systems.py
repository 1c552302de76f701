"""What is compared: a model's vectors with and without its augmentation, words, and both fused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.domains import LoadedAugmenter
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.ablation import without_head
from attune.embeddings.items import Embedded, EmbedItem, Role
from attune.embeddings.router import GENERAL
from attune.embeddings.stored_vectors import StoredVectors
from attune.services.search.fusion import reciprocal_rank_fusion
from attune.services.search.index.port import Candidate
from attune.services.search.quotes import RANKING

DEPTH = 100
_BATCH = 256
Matrix = NDArray[np.float32]
Ranked = list[list[int]]


@dataclass(frozen=True)
class Level:
    """A model whose queries are augmented: `domain`'s, by `augmentation`; both may be the model's defaults."""

    name: str
    embedder: Embedder
    domain: str = GENERAL
    augmentation: str = ""

    @classmethod
    def parse(cls, name: str, given: str, load: Callable[[str], Embedder]) -> "Level":
        """Of DIR, DIR@DOMAIN or DIR@DOMAIN:AUGMENTATION. Raises `SettingError` for a domain that there is not."""
        place, rest = (given, "") if Path(given).is_dir() else _parted(given)
        domain, _, augmentation = rest.partition(":")
        level = cls(name, load(place), domain or GENERAL, augmentation)
        if level.domain not in {each.id for each in level.embedder.domains.domains()}:
            raise SettingError(f"--level {name}={given}: the model has no domain {level.domain!r}")
        level.embedder.domains.route(level.domain).augmenter(augmentation)
        return level

    @property
    def augmenter(self) -> LoadedAugmenter | None:
        """What augments its queries; nothing, where the domain's expert is all there is."""
        return self.embedder.domains.route(self.domain).augmenter(self.augmentation)


def _parted(given: str) -> tuple[str, str]:
    """At the last @, since a path may have others."""
    place, at, rest = given.rpartition("@")
    return (place, rest) if at else (given, "")


class Vectors:
    """Texts to vectors [n, d], each computed once if `stored` keeps them; `tell` is given how many were computed."""

    def __init__(self, stored: StoredVectors, tell: Callable[[int], None]) -> None:
        self._stored = stored
        self._tell = tell

    def passages(self, level: Level, texts: Sequence[str]) -> Matrix:
        """As they are indexed for the level; of an expert that changes the general one's vectors, from those."""
        domain = level.embedder.domains.route(level.domain)
        if level.domain != GENERAL and level.embedder.moves_general_vectors(domain):
            return level.embedder.moved(self._kept(level, texts, GENERAL, Role.PASSAGE), texts, domain)
        return self._kept(level, texts, level.domain, Role.PASSAGE)

    def unaugmented(self, level: Level, texts: Sequence[str]) -> Matrix:
        """Queries by the domain's expert."""
        return self._kept(level, texts, level.domain, Role.QUERY)

    def queries(self, level: Level, texts: Sequence[str]) -> Matrix:
        """Queries, augmented."""
        return self._computed(level, texts, level.domain, Role.QUERY, level.augmentation)

    def dropped(self, level: Level, augmenter: LoadedAugmenter, texts: Sequence[str]) -> Matrix:
        """Queries by what was trained beside the augmenter's head, as if that had not been saved."""
        domain = level.embedder.domains.route(level.domain)
        parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        found = [without_head(level.embedder, domain, augmenter, part) for part in parts]
        self._tell(len(texts))
        return np.concatenate(found)

    def _kept(self, level: Level, texts: Sequence[str], domain: str, role: Role) -> Matrix:
        """Not augmented."""
        maker = f"{level.embedder.domains.route(domain).version} {role} {level.embedder.precision.dtype}"
        missing = [text for text in dict.fromkeys(texts) if self._stored.find(maker, text) is None]
        if missing:
            self._stored.keep(maker, missing, self._computed(level, missing, domain, role, Augmentation.NONE))
        found = [self._stored.find(maker, text) for text in texts]
        return np.stack([each for each in found if each is not None])

    def _computed(self, level: Level, texts: Sequence[str], domain: str, role: Role, augmentation: str) -> Matrix:
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), _BATCH):
            items = [EmbedItem(text, domain, role, augmentation=augmentation) for text in texts[start : start + _BATCH]]
            for each in level.embedder.embed(items).results:
                if not isinstance(each, Embedded):
                    raise each
                found.append(each.vector)
            self._tell(len(items))
        return np.stack(found)


def best(scores: Matrix, *, above: float = -np.inf) -> Ranked:
    """For each query the places of its hundred highest scores `above` that, the highest first."""
    depth = min(DEPTH, scores.shape[1])
    found = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1, kind="stable")
    places = np.take_along_axis(found, order, axis=1)
    return [row[own[row] > above].tolist() for row, own in zip(places, scores, strict=True)]


def fused(dense: Ranked, words: Sequence[Sequence[Candidate]], quotes: Sequence[Sequence[Candidate]] = ()) -> Ranked:
    """The rankings of each query, fused as the search service does it; `quotes` are those of `WordIndex.quoted`."""
    rankings = []
    for row, (by_meaning, by_words) in enumerate(zip(dense, words, strict=True)):
        found = {"dense": [Candidate(str(place), 0.0) for place in by_meaning], "bm25": by_words}
        rankings.append(
            [int(each.id) for each in reciprocal_rank_fusion(found | {RANKING: quotes[row]} if quotes else found)]
        )
    return rankings
