"""How well a text fits entities, by the words that they share (lexical: no model).

All candidates of a text are weighed in a few array operations: one by one they took a third of the linker's time.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from attune.knowledge_store.normalization import normalize

_WORD = re.compile(r"\w+")

Words = NDArray[np.int32]
"""Distinct words by their numbers, in ascending order."""

_SHORT_TEXT = 60  # distinct words; chosen on development texts, as are the other constants of this file
_NO_WORDS: Words = np.array([], np.int32)


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct known words of a text, by number."""

    words: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shared:
    """The words that the topics of two or more of a text's names have; `others` have each besides the first."""

    words: Words
    others: NDArray[np.int64]
    names: int
    """How many names there are."""

    @classmethod
    def of(cls, topics: Sequence[Words]) -> Self:
        if len(topics) == 1:  # most queries have one name
            return cls(_NO_WORDS, _NO_WORDS.astype(np.int64), 1)
        words, counts = np.unique(np.concatenate([_NO_WORDS, *topics]), return_counts=True)
        several = counts > 1
        return cls(words[several], counts[several] - 1, len(topics))


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
        self._squared_idf = np.log1p(len(profiles) / frequency) ** 2
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
        profiles = [self._profiles.get(entity_id, _NO_WORDS) for each in asked for entity_id in each.entity_ids]
        words = np.concatenate([_NO_WORDS, *profiles])
        owner, count = np.repeat(np.arange(len(profiles)), [len(profile) for profile in profiles]), len(profiles)
        weights = self._weights(words, profiles, asked)
        own = np.bincount(owner, weights, count)
        in_text = np.bincount(owner, weights * _looked_up(words, _ascending(bag.words)), count)
        in_company = np.bincount(owner, weights * _looked_up(words, shared.words, shared.others), count)
        coverage = in_text / (own + self._smoothing) * (_SHORT_TEXT / (_SHORT_TEXT + len(bag.words)))
        company = in_company / ((shared.names + 1) * (own + 1))
        fits = map(Fit, coverage.tolist(), company.tolist())
        return [list(islice(fits, len(each.entity_ids))) for each in asked]

    def _weights(self, words: Words, profiles: Sequence[Words], asked: Sequence[Asked]) -> NDArray[np.float64]:
        """The squared idf of each word of the profiles, one after another; 0 for those to ignore."""
        weights: NDArray[np.float64] = self._squared_idf[words]
        sizes, start = map(len, profiles), 0
        for each in asked:
            end = start + sum(islice(sizes, len(each.entity_ids)))
            for word in each.ignoring.words:
                weights[start:end][words[start:end] == word] = 0.0
            start = end
        return weights

    def topic(self, entity_ids: Sequence[str], ignoring: Bag) -> Words:
        """The words of any of the entities' profiles, without those of `ignoring`."""
        profiles = [self._profiles.get(entity_id, _NO_WORDS) for entity_id in entity_ids]
        words = profiles[0] if len(profiles) == 1 else np.unique(np.concatenate([_NO_WORDS, *profiles]))
        for word in ignoring.words:
            words = words[words != word]
        return words


def words_of(text: str) -> list[str]:
    """The words of a text in their normalised form; dotted names fall into their parts."""
    return _WORD.findall(normalize(text).text)


def _ascending(words: Iterable[int]) -> Words:
    return np.array(sorted(words), np.int32)


def _looked_up(words: Words, known: Words, values: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """The value of each word, 1 without values; 0 for those that are not known."""
    if not len(known):
        return np.zeros(len(words))
    places = np.searchsorted(known, words)
    places[places == len(known)] = 0
    found: NDArray[np.float64] = (known[places] == words).astype(np.float64)
    return found if values is None else found * values[places]
