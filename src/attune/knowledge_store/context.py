"""How well a text fits an entity, by the words that they share (lexical: no model)."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from attune.knowledge_store.normalization import normalize

_WORD = re.compile(r"\w+")


_SHORT_TEXT = 60  # distinct words; chosen on development texts, as are the other constants of this file
_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct known words of a text, by number."""

    words: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shared:
    """The words that the topics of two or more of a text's names have, each with how many have it; out of `names`."""

    counts: Mapping[int, int]
    names: int

    @classmethod
    def of(cls, topics: Sequence[Iterable[int]]) -> Self:
        counts = Counter[int]()
        for topic in topics:
            counts.update(topic)
        return cls({word: count for word, count in counts.items() if count > 1}, len(topics))


class LexicalContext:
    """Binary bags of words, weighted by inverse document frequency over the profiles: idf(t) = log(1 + N / df(t))."""

    def __init__(self, profiles: Mapping[str, str]) -> None:
        vocabulary: dict[str, int] = {}
        self._profiles = {
            entity_id: frozenset([vocabulary.setdefault(word, len(vocabulary)) for word in words_of(profile)])
            for entity_id, profile in profiles.items()
        }
        frequency = Counter(word for words in self._profiles.values() for word in words)
        self._vocabulary = vocabulary
        self._squared_idf = [math.log1p(len(profiles) / frequency[word]) ** 2 for word in range(len(vocabulary))]
        self._weights = {id_: self._weight(words) for id_, words in self._profiles.items()}
        self._smoothing = math.log1p(len(profiles)) ** 2 / 2

    def bag(self, *texts: str) -> Bag:
        """The texts' words that occur in any profile; others can fit no entity."""
        return self.bag_of(*(normalize(text).text for text in texts))

    def bag_of(self, *texts: str) -> Bag:
        """The same of texts that are normalised already."""
        words = {word for text in texts for word in _WORD.findall(text)}
        return Bag(frozenset(self._vocabulary[word] for word in words if word in self._vocabulary))

    def coverage(self, bag: Bag, entity_id: str, ignoring: Bag) -> float:
        """How much of the entity's profile the bag has, in [0, 1), both without the words of `ignoring`.

        The shared words' squared idf over the profile's plus half that of the rarest possible word, so that one word of
        a short profile does not say all; times 60/(60 + size of the bag), for a long text has any word. (Ours.)
        """
        profile = self._profiles.get(entity_id, _NOTHING)
        shared = (bag.words & profile) - ignoring.words
        if not shared:
            return 0.0
        found = self._weight(shared) / (self._weight_without(entity_id, profile, ignoring) + self._smoothing)
        return found * _SHORT_TEXT / (_SHORT_TEXT + len(bag.words))

    def company(self, shared: Shared, entity_id: str, ignoring: Bag) -> float:
        """How much of the entity's profile, in [0, 1), is in the topics of a text's other names.

        Each word counts for the share of the other names that have it; two more names than there are, so that a single
        one does not say all.
        """
        profile = self._profiles.get(entity_id, _NOTHING)
        words = (shared.counts.keys() & profile) - ignoring.words
        if not words:
            return 0.0
        found = math.fsum([(shared.counts[word] - 1) * self._squared_idf[word] for word in words])
        return found / ((shared.names + 1) * (self._weight_without(entity_id, profile, ignoring) + 1))

    def topic(self, entity_ids: Iterable[str], ignoring: Bag) -> "array[int]":
        """The words of any of the entities' profiles, without those of `ignoring`, in order."""
        words = {word for entity_id in entity_ids for word in self._profiles.get(entity_id, _NOTHING)}
        return array("L", sorted(words - ignoring.words))

    def _weight_without(self, entity_id: str, profile: frozenset[int], ignoring: Bag) -> float:
        ignored = profile & ignoring.words
        return self._weights[entity_id] - self._weight(ignored) if ignored else self._weights[entity_id]

    def _weight(self, words: Iterable[int]) -> float:
        """The sum of their squared idf: exactly rounded, so the order of the words does not matter."""
        return math.fsum([self._squared_idf[word] for word in words])


def words_of(text: str) -> list[str]:
    """The words of a text in their normalised form; dotted names fall into their parts."""
    return _WORD.findall(normalize(text).text)
