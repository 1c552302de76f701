"""What an expert learns where nobody has said which document answers which query: the ranking of two rankers together.

BM25 knows which words matter in this collection, the backbone what they mean; fused, they rank better than either in
most collections. The expert learns to rank so by its vectors alone (distillation: Hinton et al., arXiv 1503.02531). In
which share they are best fused, each collection tells: a part of a passage must find what is left of the passage
without it (the inverse cloze task: Lee et al., arXiv 1906.00300).
"""

from collections.abc import Mapping, Sequence

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from numpy.typing import NDArray

from attune.embeddings.training.frozen import Embed
from attune.embeddings.training.passages import MadeQuery

STOPWORDS = frozenset(STOPWORDS_EN)
_K1, _B = 1.2, 0.75
LEXICAL_SHARES = (0.0, 0.25, 0.5, 0.75)
_CLEARLY_BETTER = 0.01
_MOST_LEXICAL = 8.0
"""Standard deviations; a query that is the passage's own sentence would be nothing but that passage otherwise."""


class HybridTeacher:
    """Scores of queries for all passages: the mean of BM25's and the backbone's, each in standard deviations.

    `vectors` [passages, d] and `query_vectors` [queries, d] are the backbone's, normalised. `lexical_share` is BM25's.
    """

    def __init__(
        self,
        passages: Sequence[str],
        vectors: NDArray[np.float32],
        queries: Sequence[str],
        query_vectors: NDArray[np.float32],
        lexical_share: float = 0.5,
    ) -> None:
        self._stemmer = Stemmer.Stemmer("english")
        self._index = self._indexed(self._terms(passages))
        self._vectors = vectors
        self._queries = self._terms(queries)
        self._query_vectors = query_vectors
        self._lexical_share = lexical_share

    def scores(self, query: int) -> NDArray[np.float32]:
        """[passages]: the scores of a query by its place."""
        lexical, semantic = self.parts(query)
        return mixed(lexical, semantic, self._lexical_share)

    def parts(self, query: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[passages] each: BM25's scores and the backbone's, in standard deviations."""
        lexical = _standardised(self._lexical(query)).clip(max=_MOST_LEXICAL)
        return lexical, _standardised(self._vectors @ self._query_vectors[query])

    def backbone_cosines(self, queries: Sequence[int], passages: Sequence[int]) -> NDArray[np.float32]:
        """[queries, passages]: cosines by the backbone."""
        cosines: NDArray[np.float32] = self._query_vectors[queries] @ self._vectors[passages].T
        return cosines

    @staticmethod
    def _indexed(terms: list[list[str]]) -> bm25s.BM25 | None:
        """None where no passage has a term, of which bm25s makes no index."""
        if not any(terms):
            return None
        index = bm25s.BM25(k1=_K1, b=_B)
        index.index(terms, show_progress=False)
        return index

    def _lexical(self, query: int) -> NDArray[np.float32]:
        known = [term for term in self._queries[query] if self._index and term in self._index.vocab_dict]
        if self._index is None or not known:
            return np.zeros(len(self._vectors), np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(known)
        return scores

    def _terms(self, texts: Sequence[str]) -> list[list[str]]:
        terms: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False, return_ids=False
        )
        return terms


def mixed(lexical: NDArray[np.float32], semantic: NDArray[np.float32], lexical_share: float) -> NDArray[np.float32]:
    """The two scores together."""
    return (lexical_share * lexical + (1 - lexical_share) * semantic).astype(np.float32)


def lexical_shares(passages: Sequence[str], known: Sequence[MadeQuery], backbone: Embed) -> dict[float, float]:
    """How well each share of BM25 finds what is left of a passage by what was taken from it: mean reciprocal ranks.

    `known` are queries with a rest. The rests are among the passages that are ranked, and the whole passage is not.
    """
    texts, queries = [*passages, *(query.rest for query in known)], [query.text for query in known]
    teacher = HybridTeacher(texts, backbone(texts), queries, backbone(queries))
    found: dict[float, list[float]] = {share: [] for share in LEXICAL_SHARES}
    for place, query in enumerate(known):
        lexical, semantic = teacher.parts(place)
        others = np.arange(len(passages)) != query.passage
        for share, ranks in found.items():
            scores = mixed(lexical, semantic, share)
            ranks.append(1 / (1 + int((scores[: len(passages)][others] >= scores[len(passages) + place]).sum())))
    return {share: float(np.mean(ranks)) for share, ranks in found.items()}


def chosen_share(found: Mapping[float, float]) -> float:
    """The share with the best mean reciprocal rank; 0 if none is known, or clearly better than the backbone alone."""
    if not found:
        return 0.0
    best = max(found, key=lambda share: found[share])
    return best if found[best] >= found[0.0] + _CLEARLY_BETTER else 0.0


def _standardised(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = float(scores.std())
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)
