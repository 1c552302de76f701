"""BM25 as sparse vectors: text in, term weights out; the engine multiplies by IDF at query time.

Okapi BM25 (Robertson et al., "Okapi at TREC-3", 1994; k3 from "Okapi at TREC-7", 1998):

    score(q, d) = sum over terms t of  idf(t) * (k1 + 1) tf / (k1 (1 - b + b |d| / avgdl) + tf)
                                              * (k3 + 1) qtf / (k3 + qtf)

The second factor is the document's vector, the third the query's, both made here and alike for every engine. idf(t) =
ln(1 + (N - df + 0.5) / (df + 0.5)) is the engine's, over the live documents of one tenant.

avgdl, the average number of terms in a document, is fixed when the index is created instead of measured: a stored
vector cannot follow an average that moves with every document. It only sets how long a document is before its length
counts against it; take the mean of your corpus within a factor of two. The default of 100 terms (stop words not
counted) suits abstracts, product pages and answers; titles or code snippets want 40, whole articles several hundred.

Words: the engine's code tokenizer splits at punctuation, and identifiers into their parts while keeping the whole, so
"gather" finds asyncio.gather, "path" finds os_path, and "server" and "httpserver" both find HTTPServer. Stop words are
dropped and words stemmed (Snowball) as in the text's language, English if it names none; see `languages`. Signs alone
are no words: C++ and C# are both "c".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import qdrant_edge

from attune.services.search.index.languages import DEFAULT, bm25_config, primary

_K1 = 1.2
_B = 0.75
_K3 = 8.0


def terms_of(text: str) -> frozenset[int]:
    """The hashes of a text's terms."""
    return frozenset(_weights(_TERMS, text).indices)


@dataclass(frozen=True, slots=True)
class SparseWeights:
    """Weights by term: `values[i]` belongs to the term whose hash is `indices[i]`; no term twice."""

    indices: list[int]
    values: list[float]

    def __bool__(self) -> bool:
        return bool(self.indices)


class Bm25Encoder:
    """Turns documents and queries into BM25 term weights."""

    def __init__(self, average_length: float) -> None:
        """Raises ValueError unless `average_length`, in terms, is positive."""
        if not average_length > 0:
            raise ValueError(f"bm25_average_length is {average_length}: give the mean number of terms, above 0")
        self._average_length = average_length
        self._models: dict[tuple[str, bool], qdrant_edge.Bm25] = {}

    def document(self, title: str, text: str, language: str = "") -> SparseWeights:
        return _weights(self._model(language, is_query=False), f"{title}\n{text}")

    def query(self, text: str, languages: Sequence[str] = ()) -> SparseWeights:
        """Empty when the text has no word in it but stop words. Of a word that several languages have the larger weight
        counts.
        """
        found = [_weights(self._model(each, is_query=True), text) for each in languages or ("",)]
        if len(found) == 1:
            return found[0]
        merged: dict[int, float] = {}
        for each in found:
            for term, weight in zip(each.indices, each.values, strict=True):
                merged[term] = max(weight, merged.get(term, 0.0))
        return SparseWeights(list(merged), list(merged.values()))

    def _model(self, tag: str, *, is_query: bool) -> qdrant_edge.Bm25:
        """Made when first asked for: most indexes have documents of one language."""
        language = primary(tag) or DEFAULT
        found = self._models.get((language, is_query))
        if found is None:
            # A query is weighted by the same saturating form, without length normalization.
            k, b = (_K3, 0.0) if is_query else (_K1, _B)
            found = qdrant_edge.Bm25(bm25_config(language, k=k, b=b, average_length=self._average_length))
            self._models[language, is_query] = found
        return found


def _weights(model: qdrant_edge.Bm25, text: str) -> SparseWeights:
    vector = model.embed_document(text)
    return SparseWeights(vector.indices, vector.values)


_TERMS = qdrant_edge.Bm25(bm25_config(DEFAULT, k=_K3, b=0.0, average_length=1.0))
