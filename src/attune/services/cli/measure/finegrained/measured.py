"""How well each system answers each task: a value for every query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.finegrained import SPANS, PassageQuery
from attune.embeddings.training.augmenter_judge import ndcg_of
from attune.services.cli.measure.finegrained.systems import Level, Matrix, Ranked, Vectors, best, fused
from attune.services.cli.measure.finegrained.tasks import MADE, NATURAL, PARTS, Corpora, unread
from attune.services.cli.measure.finegrained.words import WordIndex, places_of
from attune.services.cli.measure.report import Row

PLAIN, DROPPED, APPLIED, BM25, BM25_READ, PLAIN_FUSED, APPLIED_FUSED, SEARCHED = SYSTEMS = (
    "plain",
    "dropped",
    "applied",
    "bm25",
    "bm25 of what is read",
    "plain + bm25",
    "applied + bm25",
    "as searched",
)
"""What is read are the tokens of a passage that the backbone takes: no vector of it tells of others. As searched is as
the search service does it: both fused, and a passage that is quoted before all.
"""
Values = NDArray[np.float64]
Wanted = Sequence[dict[int, int]]


@dataclass(frozen=True)
class Measured:
    """One level with one seed: for each system and task, nDCG@10 of every query, corpus by corpus.

    `unread` is what the backbone has not read of each part of a passage: a share for every query of each task.
    """

    level: str
    seed: int
    values: dict[str, dict[str, list[Values]]] = field(default_factory=dict)
    unread: dict[str, Values] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The means."""
        return [
            {
                "level": self.level,
                "seed": self.seed,
                "system": system,
                **_means(tasks),
            }
            for system, tasks in self.values.items()
        ]


def _means(tasks: Mapping[str, Sequence[Values]]) -> dict[str, float]:
    """Of each task that has queries, and of all parts of passages. Of people's queries the mean over the corpora; of
    others that of all queries, as they share an index.
    """
    asked = {task: [each for each in corpora if len(each)] for task, corpora in tasks.items()}
    means = {task: float(np.concatenate(each).mean()) for task, each in asked.items() if each}
    if NATURAL in means:
        means[NATURAL] = fmean(float(each.mean()) for each in asked[NATURAL])
    parts = [means[task] for task in PARTS if task in means]
    return means | ({"parts_of_passages": fmean(parts)} if parts else {})


@dataclass(frozen=True)
class _Words:
    """Passages by all of their words, and by those that the backbone reads."""

    whole: WordIndex
    read: WordIndex

    @classmethod
    def of(cls, passages: Sequence[str], read: Sequence[str]) -> "_Words":
        return cls(WordIndex(passages), WordIndex(read))


class Bench:
    """All corpora in one index, by meaning for each level, and by words; `read` are the passages as they are read."""

    def __init__(self, corpora: Corpora, read: Sequence[str], vectors: Vectors) -> None:
        self._corpora = corpora
        self._vectors = vectors
        self._words = _Words.of(corpora.passages, read)
        self._words_of_each = [
            _Words.of(each.passages, read[places.start : places.stop])
            for each, places in zip(corpora.collections, corpora.ranges, strict=True)
        ]
        self._read = [len(text.split()) for text in read]

    def measure(self, level: Level, plain: Level, seed: int, made: dict[str, list[list[PassageQuery]]]) -> Measured:
        """The level beside `plain`, on made queries, and on people's."""
        measured = Measured(level.name, seed, {system: {} for system in SYSTEMS})
        for words, task in zip(SPANS, PARTS, strict=True):
            measured.unread[task] = unread([each for queries in made[task] for each in queries], words, self._read)
        passages = self._corpora.passages
        indexes = self._vectors.passages(plain, passages), self._vectors.passages(level, passages)
        for task in MADE:
            self._ask(measured, task, level, plain, indexes, made[task])
        self._ask_people(measured, level, plain, indexes)
        return measured

    def _ask(
        self,
        measured: Measured,
        task: str,
        level: Level,
        plain: Level,
        indexes: tuple[Matrix, Matrix],
        made: Sequence[Sequence[PassageQuery]],
    ) -> None:
        for queries in made:
            texts, wanted = [each.text for each in queries], [{each.passage: 1} for each in queries]
            self._note(measured, task, self._rankings(level, plain, indexes, self._words, texts), wanted)

    def _ask_people(self, measured: Measured, level: Level, plain: Level, indexes: tuple[Matrix, Matrix]) -> None:
        for collection, places, words in zip(
            self._corpora.collections, self._corpora.ranges, self._words_of_each, strict=True
        ):
            texts = [text for text, _ in collection.queries]
            own = indexes[0][places.start : places.stop], indexes[1][places.start : places.stop]
            rankings = self._rankings(level, plain, own, words, texts)
            self._note(measured, NATURAL, rankings, [dict(grades) for _, grades in collection.queries])

    def _rankings(
        self, level: Level, plain: Level, indexes: tuple[Matrix, Matrix], words: _Words, texts: Sequence[str]
    ) -> dict[str, Ranked]:
        if not texts:
            return {system: [] for system in SYSTEMS}
        queries: dict[str, Callable[[], Matrix]] = {
            PLAIN: lambda: self._vectors.unaugmented(plain, texts) @ indexes[0].T,
            DROPPED: lambda: self._dropped(level, plain, indexes, texts),
            APPLIED: lambda: self._vectors.queries(level, texts) @ indexes[1].T,
        }
        found = {system: best(scores()) for system, scores in queries.items()}
        by_words = words.whole.ranked(texts)
        quotes = words.whole.quoted(texts, by_words)
        found[BM25] = places_of(by_words)
        found[BM25_READ] = places_of(words.read.ranked(texts))
        found[PLAIN_FUSED] = fused(found[PLAIN], by_words)
        found[APPLIED_FUSED] = fused(found[APPLIED], by_words)
        found[SEARCHED] = fused(found[APPLIED], by_words, quotes)
        return found

    def _dropped(self, level: Level, plain: Level, indexes: tuple[Matrix, Matrix], texts: Sequence[str]) -> Matrix:
        """Without the head: by a tower's layers, or the domain's expert; where words are all, by the plain one."""
        augmenter = level.augmenter
        if augmenter is None:
            return self._vectors.unaugmented(plain, texts) @ indexes[0].T
        if augmenter.tower is None:
            return self._vectors.unaugmented(level, texts) @ indexes[1].T
        return self._vectors.dropped(level, augmenter, texts) @ indexes[1].T

    @staticmethod
    def _note(measured: Measured, task: str, rankings: dict[str, Ranked], wanted: Wanted) -> None:
        for system, ranked in rankings.items():
            values = np.array([ndcg_of(row, grades) for row, grades in zip(ranked, wanted, strict=True)])
            measured.values[system].setdefault(task, []).append(values)
