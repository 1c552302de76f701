"""How well a text fits an entity, by the words that they share (lexical: no model)."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from attune.knowledge_store.normalization import normalize

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct known words of a text, by number, and the square of their vector's norm."""

    words: frozenset[int]
    squared_norm: float


class LexicalContext:
    """Binary bags of words, weighted by inverse document frequency over the profiles: idf(t) = log(1 + N / df(t))."""

    def __init__(self, profiles: Mapping[str, str]) -> None:
        vocabulary: dict[str, int] = {}
        self._profiles: dict[str, array[int]] = {}
        for entity_id, profile in profiles.items():
            words = sorted({vocabulary.setdefault(word, len(vocabulary)) for word in words_of(profile)})
            self._profiles[entity_id] = array("L", words)
        frequency = Counter(word for words in self._profiles.values() for word in words)
        self._vocabulary = vocabulary
        self._squared_idf = [math.log1p(len(profiles) / frequency[word]) ** 2 for word in range(len(vocabulary))]

    def bag(self, *texts: str) -> Bag:
        """The texts' words that occur in any profile; others can fit no entity."""
        known = frozenset(number for text in texts for word in words_of(text) if (number := self._number(word)) >= 0)
        return Bag(known, sum(self._squared_idf[word] for word in known))

    def similarity(self, bag: Bag, entity_id: str, ignoring: Bag) -> float:
        """The cosine in [0, 1] of the bag and the entity's profile, both without the words of `ignoring`."""
        shared = norm = 0.0
        for word in self._profiles.get(entity_id, ()):
            if word not in ignoring.words:
                norm += self._squared_idf[word]
                if word in bag.words:
                    shared += self._squared_idf[word]
        if not shared:
            return 0.0
        ignored = sum(self._squared_idf[word] for word in ignoring.words if word in bag.words)
        return min(1.0, shared / math.sqrt(norm * (bag.squared_norm - ignored)))

    def _number(self, word: str) -> int:
        return self._vocabulary.get(word, -1)


def words_of(text: str) -> list[str]:
    """The words of a text in their normalised form; dotted names fall into their parts."""
    return _WORD.findall(normalize(text).text)
