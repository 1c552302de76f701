"""A set, made ready: vectors of all its texts, and for each case the plain ranking as the search service has it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.embedder import Embedder
from attune.embeddings.evaluation.ranking import ndcg
from attune.embeddings.router import GENERAL
from attune.embeddings.stored_vectors import StoredVectors
from attune.services.cli.measure.finegrained.systems import Level, Vectors, best
from attune.services.cli.measure.finegrained.words import WordIndex
from attune.services.cli.measure.personalization.cases import Case, CaseSet
from attune.services.search.fusion import dense_share, reciprocal_rank, reciprocal_rank_fusion
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.port import Candidate
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.mixing import Candidates, Scores, Vector
from attune.services.search.quotes import RANKING

DEPTH = 100
_PART = 1024
"""So many texts are embedded before what is new is kept."""


class Texts:
    """Vectors of texts, each computed once; short texts of users as the service embeds queries."""

    def __init__(self, embedder: Embedder, stored: StoredVectors, tell: Callable[[int], None]) -> None:
        self._level = Level("plain", embedder, GENERAL, Augmentation.NONE)
        self._vectors = Vectors(stored, tell)
        self._stored = stored

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, d]."""
        parts = []
        for start in range(0, len(texts), _PART):
            parts.append(self._vectors.passages(self._level, texts[start : start + _PART]))
            self._stored.save()
        return np.concatenate(parts) if parts else np.zeros((0, self._level.embedder.dimension), np.float32)


@dataclass(frozen=True)
class Ground:
    """A case's query, and its plain ranking: places in the corpus, with scores of which the best is 1."""

    case: Case
    query: Vector
    asked: Asked
    places: NDArray[np.intp]
    scores: Scores
    by_meaning: Scores
    """What the dense ranking has given to each score."""
    first: float
    """What it gives to its first one."""
    dense: float
    """nDCG@10 of the dense ranking alone."""


class Grounds:
    """The cases of a set with what they are ranked from."""

    def __init__(self, cases: CaseSet, texts: Texts) -> None:
        self.set = cases
        self.texts = texts
        self.ids = [each.id for each in cases.corpus]
        self._place = {each: place for place, each in enumerate(self.ids)}
        self.vectors = texts.of([each.text for each in cases.corpus])
        self._words = WordIndex([each.text for each in cases.corpus])
        queries = [case.query for case in cases.cases]
        ranked = self._words.ranked(queries)
        quotes = self._words.quoted(queries, ranked)
        vectors = texts.of(queries)
        self.all = [self._ground(*each) for each in zip(cases.cases, vectors, ranked, quotes, strict=True)]

    def candidates(self, ground: Ground, more: Vector | None = None) -> tuple[NDArray[np.intp], Candidates]:
        """The places and scores of the plain ranking, and of the nearest documents to another vector."""
        places, base, dense = ground.places, ground.scores, ground.by_meaning
        if more is not None and not ground.case.pool:
            found = np.setdiff1d(self.nearest(more), places)
            nothing = np.zeros(len(found))
            places = np.concatenate([places, found])
            base, dense = np.concatenate([base, nothing]), np.concatenate([dense, nothing])
        return places, Candidates(self.vectors[places], base, dense, ground.first)

    def nearest(self, vector: Vector) -> NDArray[np.intp]:
        """The hundred nearest documents of the corpus, the nearest first."""
        return np.array(best((self.vectors @ vector)[None])[0], np.intp)

    def quality(self, case: Case, places: NDArray[np.intp], scores: Scores) -> float:
        """nDCG@10 of documents ordered by score."""
        order = np.argsort(-scores, kind="stable")[:10]
        return ndcg([self.ids[places[each]] for each in order], case.grades)

    def _ground(self, case: Case, query: Vector, ranked: Sequence[Candidate], quote: Sequence[Candidate]) -> Ground:
        dense: Iterable[int] = self.nearest(query)
        if case.pool:
            pool = {self._place[each] for each in case.pool}
            dense = sorted(pool, key=lambda place: -float(self.vectors[place] @ query))
            ranked, quote = self._words.among(case.query, sorted(pool)), []
        by_meaning = [Candidate(str(place), 0.0) for place in dense]
        fused = reciprocal_rank_fusion({"dense": by_meaning, "bm25": ranked, RANKING: quote})
        places = np.array([int(each.id) for each in fused], np.intp)
        plain = np.array([each.score for each in fused]) / fused[0].score
        asked = Asked(case.query, len(terms_of(case.query)), ranked[0].score if ranked else 0.0)
        quality = ndcg([self.ids[int(each.id)] for each in by_meaning[:10]], case.grades)
        given = np.array([dense_share(each, fused[0].score) for each in fused])
        return Ground(case, query, asked, places, plain, given, reciprocal_rank(1) / fused[0].score, quality)


def within(cases: CaseSet, most: int) -> CaseSet:
    """The set with so many documents of its corpus: judged ones and those that users have read, which all stay, then
    the first by words of every query, then the second ones, and so on. 0: all of them.

    Of strangers, who are many and have judged or read much, so many as need no more than half of the documents.
    """
    if not most or len(cases.corpus) <= most:
        return cases
    place = {each.id: number for number, each in enumerate(cases.corpus)}
    texts = {each.text: number for number, each in enumerate(cases.corpus)}
    kept: dict[int, None] = {}
    chosen: list[Case] = []
    for case in cases.cases:
        own = dict.fromkeys(place[each] for each in case.grades if each in place)
        own |= dict.fromkeys(texts[text] for text in case.histories.get("documents", ()))
        if cases.is_strangers and chosen and len(kept | own) > most // 2:
            break
        kept |= own
        chosen.append(case)
    ranked = WordIndex([each.text for each in cases.corpus]).ranked([case.query for case in chosen])
    for depth in range(DEPTH):
        kept |= dict.fromkeys(int(found[depth].id) for found in ranked if depth < len(found) and len(kept) < most)
    corpus = [cases.corpus[number] for number in sorted(list(kept)[: max(most, 1)])]
    return replace(cases, corpus=corpus, cases=chosen)
