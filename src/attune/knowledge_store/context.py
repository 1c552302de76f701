"""How well a text fits entities, by the words that they share (lexical: no model).

A query's names have a few candidates with some dozen words each. So numbers are added in loops: calls of array
operations cost more than they save.
"""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from attune.knowledge_store.normalization import normalize

_WORD = re.compile(r"\w+")

Words: TypeAlias = "array[int]"
"""Distinct words by their numbers, in ascending order."""

_INTEGER = "i"
_SHORT_TEXT = 60  # distinct words; chosen on development texts, as are the other constants of this file
_NO_WORDS: Words = array(_INTEGER)


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct known words of a text, by number."""

    words: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shared:
    """The words that the topics of two or more of a text's names have, each with how many have it besides the first."""

    others: Mapping[int, int]
    names: int
    """How many names there are."""

    @classmethod
    def of(cls, topics: Sequence[Words]) -> Self:
        if len(topics) == 1:  # most queries have one name
            return cls({}, 1)
        counts = Counter(chain.from_iterable(topics))
        return cls({word: count - 1 for word, count in counts.items() if count > 1}, len(topics))


class Asked(NamedTuple):
    """A name's entities; what is asked of them is asked without the words of `ignoring`, the name's own."""

    entity_ids: Sequence[str]
    ignoring: Bag


class Fit(NamedTuple):
    """How well a text fits an entity.

    coverage  how much of the entity's profile the text has, in [0, 1): the shared words' squared idf over the profile's
              plus half that of the rarest possible word, so that one word of a short profile does not say all; times
              60/(60 + distinct words of the text), for a long text has any word
    company   how much of it, in [0, 1), is in the topics of the text's other names: each word counts for the share of
              them that have it; of two more names than there are, so that a single one does not say all

    (Ours.)
    """

    coverage: float
    company: float


class LexicalContext:
    """Binary bags of words, weighted by inverse document frequency over the profiles: idf(t) = log(1 + N / df(t))."""

    def __init__(self, profiles: Mapping[str, str]) -> None:
        vocabulary: dict[str, int] = {}
        self._profiles = {
            entity_id: _ascending({vocabulary.setdefault(word, len(vocabulary)) for word in words_of(profile)})
            for entity_id, profile in profiles.items()
        }
        frequency = np.bincount(np.concatenate([_NO_WORDS, *self._profiles.values()]))
        self._vocabulary = vocabulary
        self._squared_idf: list[float] = (np.log1p(len(profiles) / frequency) ** 2).tolist()
        self._smoothing = math.log1p(max(1, len(profiles))) ** 2 / 2

    def bag(self, *texts: str) -> Bag:
        """The texts' words that occur in any profile; others can fit no entity."""
        return self.bag_of(*(normalize(text).text for text in texts))

    def bag_of(self, *texts: str) -> Bag:
        """The same of texts that are normalised already."""
        words = {word for text in texts for word in _WORD.findall(text)}
        return Bag(frozenset([self._vocabulary[word] for word in words if word in self._vocabulary]))

    def fits(self, bag: Bag, shared: Shared, asked: Sequence[Asked]) -> list[list[Fit]]:
        """How well a text fits each entity that is asked for: one with this bag, whose names' topics share these."""
        return [[self._fit(entity_id, each.ignoring, bag, shared) for entity_id in each.entity_ids] for each in asked]

    def _fit(self, entity_id: str, ignoring: Bag, bag: Bag, shared: Shared) -> Fit:
        own = in_text = in_company = 0.0
        ignored, words, others, weights = ignoring.words, bag.words, shared.others, self._squared_idf
        for word in self._profiles.get(entity_id, _NO_WORDS):
            if word in ignored:
                continue
            weight = weights[word]
            own += weight
            if word in words:
                in_text += weight
            if word in others:
                in_company += weight * others[word]
        coverage = in_text / (own + self._smoothing) * (_SHORT_TEXT / (_SHORT_TEXT + len(words)))
        return Fit(coverage, in_company / ((shared.names + 1) * (own + 1)))

    def topic(self, entity_ids: Sequence[str], ignoring: Bag) -> Words:
        """The words of any of the entities' profiles, without those of `ignoring`."""
        profiles = [self._profiles.get(entity_id, _NO_WORDS) for entity_id in entity_ids]
        words = profiles[0] if len(profiles) == 1 else sorted(set().union(*profiles))
        return array(_INTEGER, [word for word in words if word not in ignoring.words])


def words_of(text: str) -> list[str]:
    """The words of a text in their normalised form; dotted names fall into their parts."""
    return _WORD.findall(normalize(text).text)


def _ascending(words: Iterable[int]) -> Words:
    return array(_INTEGER, sorted(words))
