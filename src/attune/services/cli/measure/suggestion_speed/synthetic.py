"""Queries that nobody asked: words of syllables, drawn by Zipf's law, and users as unevenly spread as of real ones.

All of it is drawn by a seed, so that two runs measure the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from attune.services.suggestion.queries.model import Counted, K
from attune.services.suggestion.queries.writing import Next

_ONSETS = ("", *"bcdfghjlmnprstvw", "br", "ch", "cl", "pl", "sh", "st", "th", "tr")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou")
_CODAS = ("", "", "n", "r", "s", "t", "l", "ng")
_WORDS = 50_000
_ENTITIES = 20_000
_LENGTHS = (0.1, 0.3, 0.3, 0.2, 0.1)
"""How likely a query has one word, two, and so on."""
_MOST_USERS = 200_000
_USERS_FALL = 0.8
_FOLLOWING = 4
_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Synthetic:
    """So many queries of a made-up language."""

    texts: Sequence[str]
    """Most users first."""
    seed: int

    @classmethod
    def drawn(cls, count: int, seed: int) -> "Synthetic":
        """Draw `count` distinct queries."""
        random = np.random.default_rng(seed)
        words = _words(random)
        shares = 1 / np.arange(1, _WORDS + 1)
        bounds = np.cumsum(shares / shares.sum())
        texts: dict[str, None] = {}
        while len(texts) < count:
            lengths = random.choice(len(_LENGTHS), size=_AT_ONCE, p=_LENGTHS) + 1
            drawn = np.searchsorted(bounds, random.random((_AT_ONCE, len(_LENGTHS))))
            for length, row in zip(lengths.tolist(), drawn.tolist(), strict=True):
                texts[" ".join(words[min(each, _WORDS - 1)] for each in row[:length])] = None
        return cls(list(texts)[:count], seed)

    def counted(self) -> Iterator[Counted]:
        """With users and up to two entities each."""
        random = np.random.default_rng(self.seed + 1)
        named = random.zipf(1.3, (len(self.texts), 2)) % _ENTITIES
        for rank, (text, ids) in enumerate(zip(self.texts, named.tolist(), strict=True), start=1):
            users = max(K, int(_MOST_USERS / rank**_USERS_FALL))
            yield Counted(text, users, tuple(f"entity-{each}" for each in ids[: rank % 3]))

    def following(self) -> Iterator[Next]:
        """What was asked next after each query."""
        random = np.random.default_rng(self.seed + 2)
        for first in range(1, len(self.texts) + 1):
            followed = dict.fromkeys(random.integers(1, len(self.texts) + 1, _FOLLOWING).tolist())
            for place, second in enumerate(followed, start=1):
                yield first, place, second, K + _FOLLOWING - place

    def entity_ids(self) -> list[str]:
        """Those that queries may name."""
        return [f"entity-{number}" for number in range(_ENTITIES)]


def _words(random: np.random.Generator) -> list[str]:
    syllables = ["".join(each) for each in product(_ONSETS, _VOWELS, _CODAS)]
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        drawn = random.integers(len(syllables), size=int(random.integers(1, 4)))
        words["".join(syllables[each] for each in drawn)] = None
    return list(words)
