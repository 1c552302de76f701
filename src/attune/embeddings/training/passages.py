"""A domain's documents, and queries made of them where there are none of people."""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

_SENTENCE_END = re.compile(r"(?<=[.?!;])\s+|\n+")
_WORD = re.compile(r"[^\W\d_][\w-]+")
_TITLE_SHARE, _SENTENCE_SHARE = 0.3, 0.4
_SENTENCE_WORDS = range(4, 41)
_FEWEST_LEFT = 8  # words of a passage without its query, so that it can still be found
_TURNS = 3
_SPAN_SHARE = 3  # of a passage that is one sentence, a third is taken
_KEYWORDS = (2, 7)
_LONGEST_QUERY = 200  # characters, of a text that has neither a sentence nor words


@dataclass(frozen=True)
class Passage:
    """A document, or a part of one, as it is indexed."""

    title: str
    text: str

    @property
    def whole(self) -> str:
        """Title and text, as the index embeds them."""
        return f"{self.title}\n{self.text}".strip()


@dataclass(frozen=True)
class MadeQuery:
    """A query made of a passage, whose place in the list of passages it keeps.

    `rest` is the passage without the query, for queries that are a part of it; empty where too little is left.
    """

    text: str
    passage: int
    rest: str = ""


class QueryMaker:
    """Makes queries of passages, seeded: titles, sentences, and words that are frequent here and rare elsewhere.

    People ask in all three ways, and what nobody asked yet can be asked so of any collection.
    """

    def __init__(self, passages: Sequence[Passage], stopwords: frozenset[str], seed: int) -> None:
        self._passages = passages
        self._stopwords = stopwords
        self._random = random.Random(seed)  # noqa: S311 - a seeded choice of examples
        self._documents = Counter(word for passage in passages for word in set(_words(passage.whole)))

    def make(self, count: int, without: AbstractSet[int] = frozenset()) -> list[MadeQuery]:
        """So many queries, of passages drawn in turns, each turn in another order; none of the passages `without`.

        Raises `ValueError` where these are all.
        """
        places = [place for place in range(len(self._passages)) if place not in without]
        if not places:
            raise ValueError("no passage is left to make queries of")
        queries: list[MadeQuery] = []
        while len(queries) < count:
            queries += islice(self._turn(places), count - len(queries))
        return queries

    def make_known(self, count: int) -> list[MadeQuery]:
        """As many queries with a `rest`, or fewer where the passages are too short to take something from."""
        found: list[MadeQuery] = []
        for _ in range(_TURNS):
            turn = self._turn(range(len(self._passages)))
            found += [known for query in turn if (known := self._known(query)).rest]
            if len(found) >= count:
                break
        return found[:count]

    def _known(self, query: MadeQuery) -> MadeQuery:
        """The query itself if it has a rest, or else some words in a row of its passage."""
        if query.rest:
            return query
        words = self._passages[query.passage].text.split()
        length = min(len(words) // _SPAN_SHARE, _SENTENCE_WORDS.stop - 1)
        start = self._random.randint(0, len(words) - length)
        rest = _long_enough(" ".join(words[:start] + words[start + length :]))
        return MadeQuery(" ".join(words[start : start + length]), query.passage, rest)

    def _turn(self, places: Sequence[int]) -> Iterator[MadeQuery]:
        return (self._query(place) for place in self._random.sample(places, len(places)))

    def _query(self, place: int) -> MadeQuery:
        passage, kind = self._passages[place], self._random.random()
        if passage.title and kind < _TITLE_SHARE:
            return MadeQuery(passage.title, place, _long_enough(passage.text))
        sentences = [each for each in _SENTENCE_END.split(passage.text) if len(each.split()) in _SENTENCE_WORDS]
        if sentences and kind < _TITLE_SHARE + _SENTENCE_SHARE:
            sentence = self._random.choice(sentences)
            return MadeQuery(sentence, place, _long_enough(passage.whole.replace(sentence, " ")))
        return MadeQuery(self._keywords(passage) or passage.title or passage.text[:_LONGEST_QUERY], place)

    def _keywords(self, passage: Passage) -> str:
        """Words drawn by their frequency here times the inverse of that elsewhere, in the order of the text."""
        words = [word for word in _words(passage.whole) if word not in self._stopwords]
        count = self._random.randint(*_KEYWORDS)
        weights = {
            word: frequency * math.log(1 + len(self._passages) / self._documents[word]) * self._random.random()
            for word, frequency in Counter(words).items()
        }
        drawn = set(sorted(weights, key=lambda word: -weights[word])[:count])
        return " ".join(word for word in dict.fromkeys(words) if word in drawn)


def _long_enough(rest: str) -> str:
    return rest if len(rest.split()) >= _FEWEST_LEFT else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
