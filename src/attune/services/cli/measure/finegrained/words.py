"""BM25 over a list of passages, with the weights of the search service's own index."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from attune.services.cli.measure.finegrained.systems import best
from attune.services.search.index.bm25 import Bm25Encoder, SparseWeights, terms_of
from attune.services.search.index.port import Candidate
from attune.services.search.quotes import quoted

_AVERAGE_LENGTH = 100.0  # terms, as an index has it that nobody set


class WordIndex:
    """Passages by their words. Term ids are hashes; those of the passages become columns."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._passages = passages
        self._encoder = Bm25Encoder(_AVERAGE_LENGTH)
        documents = [self._encoder.document("", text) for text in passages]
        terms = sorted({term for document in documents for term in document.indices})
        self._columns = {term: column for column, term in enumerate(terms)}
        matrix = self._matrix(documents)
        frequency = np.asarray((matrix > 0).sum(axis=0)).ravel()
        self._documents = (matrix @ diags(np.log1p((len(passages) - frequency + 0.5) / (frequency + 0.5)))).T.tocsr()

    def ranked(self, queries: Sequence[str]) -> list[list[Candidate]]:
        """The first hundred passages of each query that have a word of it; ids are their places."""
        scores = self._scores(queries)
        return [
            [Candidate(str(place), float(own[place])) for place in places]
            for own, places in zip(scores, best(scores, above=0.0), strict=True)
        ]

    def among(self, query: str, places: Sequence[int]) -> list[Candidate]:
        """Those of some passages that have a word of the query."""
        own = self._scores([query])[0]
        found = sorted((place for place in places if own[place] > 0), key=lambda place: (-own[place], place))
        return [Candidate(str(place), float(own[place])) for place in found]

    def quoted(self, queries: Sequence[str], ranked: Sequence[Sequence[Candidate]]) -> list[list[Candidate]]:
        """For each query the passage that it quotes, if it does."""
        return [
            quoted(terms_of(text), terms_of(self._passages[int(found[0].id)]), found) if found else []
            for text, found in zip(queries, ranked, strict=True)
        ]

    def _scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (
            self._matrix([self._encoder.query(text) for text in queries]) @ self._documents
        ).toarray()
        return found

    def _matrix(self, weights: Sequence[SparseWeights]) -> csr_matrix:
        known = [
            [
                (self._columns[term], value)
                for term, value in zip(each.indices, each.values, strict=True)
                if term in self._columns
            ]
            for each in weights
        ]
        ends = np.cumsum([0, *(len(each) for each in known)])
        columns = [column for each in known for column, _ in each]
        values = np.array([value for each in known for _, value in each], np.float32)
        return csr_matrix((values, columns, ends), (len(weights), len(self._columns)))


def places_of(ranked: Sequence[Sequence[Candidate]]) -> list[list[int]]:
    """The places of the passages that were found, for each query."""
    return [[int(each.id) for each in found] for found in ranked]
