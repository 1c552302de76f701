"""What an expert learns where nobody has said which document answers which query: the ranking of two rankers together.

BM25 knows which words matter in this collection, the backbone what they mean; fused, they rank better than either. The
expert learns to rank so by its vectors alone (distillation: Hinton et al., arXiv 1503.02531).
"""

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from numpy.typing import NDArray

STOPWORDS = frozenset(STOPWORDS_EN)
_K1, _B = 1.2, 0.75
_MOST_LEXICAL = 8.0
"""Standard deviations; a query that is the passage's own sentence would be nothing but that passage otherwise."""


class HybridTeacher:
    """Scores of queries for all passages: the mean of BM25's and the backbone's, each in standard deviations.

    `vectors` [passages, d] and `query_vectors` [queries, d] are the backbone's, normalised.
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
        self._index = bm25s.BM25(k1=_K1, b=_B)
        self._index.index(self._terms(passages), show_progress=False)
        self._vectors = vectors
        self._queries = self._terms(queries)
        self._query_vectors = query_vectors
        self._lexical_share = lexical_share

    def scores(self, query: int) -> NDArray[np.float32]:
        """[passages]: the scores of a query by its place."""
        lexical = _standardised(self._lexical(query)).clip(max=_MOST_LEXICAL)
        semantic = _standardised(self._vectors @ self._query_vectors[query])
        mixed: NDArray[np.float32] = self._lexical_share * lexical + (1 - self._lexical_share) * semantic
        return mixed.astype(np.float32)

    def backbone_cosines(self, queries: Sequence[int], passages: Sequence[int]) -> NDArray[np.float32]:
        """[queries, passages]: cosines by the backbone."""
        cosines: NDArray[np.float32] = self._query_vectors[queries] @ self._vectors[passages].T
        return cosines

    def _lexical(self, query: int) -> NDArray[np.float32]:
        known = [term for term in self._queries[query] if term in self._index.vocab_dict]
        if not known:
            return np.zeros(len(self._vectors), np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(known)
        return scores

    def _terms(self, texts: Sequence[str]) -> list[list[str]]:
        terms: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False, return_ids=False
        )
        return terms


def _standardised(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = float(scores.std())
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)
