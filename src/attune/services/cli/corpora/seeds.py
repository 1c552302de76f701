"""Choosing what two users of a corpus care about: two topics apart, with something in between."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from attune.services.cli.corpora.cooccurrence import NameFinder, npmi
from attune.services.cli.corpora.model import Corpus
from attune.services.cli.corpora.tokens import Span, document_tokens, tokenize

MIN_TOPIC_DOCUMENTS = 4  # that name a topic; fewer make no history
_MAX_SHARE = 0.10  # of all documents
_CANDIDATES = 120
_MAX_OVERLAP = 0.10  # of the rarer topic's documents may name the other topic too
_MIN_SHARED = 2  # documents that a topic has in common with what lies between


class Seeds(NamedTuple):
    """Entity ids: the topic of each user, and what both topics touch."""

    first: str
    second: str
    between: str


class Topics:
    """Which documents of a corpus name which entity; documents by their number in the corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self.labels = {entity.id: entity.label for entity in corpus.entities}
        self.size = len(corpus.documents)
        names: dict[Span, str] = {}
        for entity in corpus.entities:
            for name in (entity.label, *entity.aliases):
                names.setdefault(tuple(tokenize(name)), entity.id)
        self._finder = NameFinder(names)
        self.mentions = [self._finder.find(document_tokens(document)) for document in corpus.documents]
        self.documents: dict[str, list[int]] = defaultdict(list)
        for number, ids in enumerate(self.mentions):
            for entity_id in ids:
                self.documents[entity_id].append(number)

    def named_in(self, text: str) -> list[str]:
        return self._finder.find(tokenize(text))

    def association(self, together: int, one: str, other: str) -> float:
        return npmi(together, len(self.documents[one]), len(self.documents[other]), self.size) if together else -1.0


def choose_seeds(topics: Topics, queries: Mapping[str, int]) -> Seeds | None:
    """The two topics that most strongly share a third and are least named together; None where no two do.

    `queries` counts the corpus's queries that name a topic: pairs with more, up to three for each topic, win. Ties
    fall to the smaller ids, so the choice is deterministic.
    """
    candidates = _candidates(topics, queries)
    together = _together(topics, set(candidates))
    scored = (
        (_support(first, second, queries), strength, Seeds(first, second, between))
        for first, second in combinations(candidates, 2)
        if _are_apart(topics, together, first, second)
        for between, strength in _between(topics, together, first, second)
    )
    return min(scored, key=lambda item: (-item[0], -item[1], item[2]), default=(0, 0.0, None))[2]


def _candidates(topics: Topics, queries: Mapping[str, int]) -> list[str]:
    most = max(MIN_TOPIC_DOCUMENTS, topics.size * _MAX_SHARE)
    ids = [one for one, documents in topics.documents.items() if MIN_TOPIC_DOCUMENTS <= len(documents) <= most]
    ranked = sorted(ids, key=lambda one: (-min(3, queries.get(one, 0)), -len(topics.documents[one]), one))
    return sorted(ranked[:_CANDIDATES])


Together = Mapping[str, Mapping[str, int]]


def _together(topics: Topics, candidates: set[str]) -> Together:
    """Documents that name both of two topics, by either."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for ids in topics.mentions:
        for one, other in combinations([one for one in ids if one in candidates], 2):
            counts[one][other] += 1
            counts[other][one] += 1
    return counts


def _are_apart(topics: Topics, together: Together, first: str, second: str) -> bool:
    rarer = min(len(topics.documents[first]), len(topics.documents[second]))
    return together.get(first, {}).get(second, 0) <= _MAX_OVERLAP * rarer and not _share_a_word(
        topics.labels[first], topics.labels[second]
    )


def _share_a_word(first: str, second: str) -> bool:
    return not set(tokenize(first)).isdisjoint(tokenize(second))


def _between(topics: Topics, together: Together, first: str, second: str) -> Iterator[tuple[str, float]]:
    """What both topics are named with, and how strong the weaker of the two associations is."""
    with_first, with_second = together.get(first, {}), together.get(second, {})
    for between in with_first.keys() & with_second.keys():
        shared = min(with_first[between], with_second[between])
        if shared >= _MIN_SHARED:
            yield (
                between,
                min(
                    topics.association(with_first[between], first, between),
                    topics.association(with_second[between], second, between),
                ),
            )


def _support(first: str, second: str, queries: Mapping[str, int]) -> int:
    return min(3, queries.get(first, 0), queries.get(second, 0))
