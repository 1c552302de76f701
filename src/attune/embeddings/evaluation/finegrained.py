"""Queries made of passages, each answered by the passage that it was made of: fine-grained retrieval.

The two text tasks of "LexSemBridge" (arXiv 2508.17858, section 4), whose generators were not published: *keywords*, the
most telling words of a passage, and *part of passage*, some words of it in a row. Seeded: the same passages and the
same seed make the same queries anywhere. Words are what stands between blanks, so that no tokenizer is preferred.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

SPANS = (16, 32, 64, 128)
"""Words of a part of passage."""
_WORD = re.compile(r"[^\W\d_][\w-]+")
_TELLING = 10
_TERMS = (3, 6)
_LEFT = 8


@dataclass(frozen=True)
class PassageQuery:
    """A query, and the place of the passage that it was made of in the list of passages.

    `start` is where in the passage a part of it begins, in words.
    """

    text: str
    passage: int
    start: int = 0


def keyword_queries(passages: Sequence[str], count: int, seed: int) -> list[PassageQuery]:
    """`count` queries of three to six of the ten words with a passage's highest tf-idf, in the order of the text.

    No passage is asked for twice before each is once; those with fewer than three different words never, and so there
    are fewer queries, or none, if there is no passage with more.
    """
    telling = _telling_words(passages)

    def ask(place: int, random: Random) -> PassageQuery:
        words = telling[place]
        drawn = random.sample(range(len(words)), min(len(words), random.randint(*_TERMS)))
        return PassageQuery(" ".join(words[each] for each in sorted(drawn)), place)

    places = [place for place, words in enumerate(telling) if len(words) >= _TERMS[0]]
    return list(islice(_asked(places, Random(seed), ask), count))  # noqa: S311 - seeded on purpose


def span_queries(passages: Sequence[str], words: int, count: int, seed: int) -> list[PassageQuery]:
    """`count` queries of so many words in a row, of passages that have at least eight more; otherwise as keywords."""
    split = [passage.split() for passage in passages]

    def ask(place: int, random: Random) -> PassageQuery:
        start = random.randint(0, len(split[place]) - words)
        return PassageQuery(" ".join(split[place][start : start + words]), place, start)

    places = [place for place, each in enumerate(split) if len(each) >= words + _LEFT]
    return list(islice(_asked(places, Random(seed), ask), count))  # noqa: S311 - seeded on purpose


def _asked(places: Sequence[int], random: Random, ask: Callable[[int, Random], PassageQuery]) -> Iterator[PassageQuery]:
    """Queries without end, in turns over the places, each turn in another order."""
    while places:
        for place in random.sample(places, len(places)):
            yield ask(place, random)


def _telling_words(passages: Sequence[str]) -> list[list[str]]:
    """Each passage's words of the highest tf-idf among these passages, in the order of the text."""
    found = [_WORD.findall(passage.lower()) for passage in passages]
    documents = Counter(word for words in found for word in set(words))

    def telling(words: Sequence[str]) -> list[str]:
        weights = {
            word: frequency * math.log(1 + len(passages) / documents[word])
            for word, frequency in Counter(words).items()
        }
        kept = set(sorted(weights, key=lambda word: (-weights[word], word))[:_TELLING])
        return [word for word in weights if word in kept]  # a counter keeps the order of first appearance

    return [telling(words) for words in found]
