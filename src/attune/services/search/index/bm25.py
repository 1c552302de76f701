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
"gather" finds asyncio.gather, "path" finds os_path, and "server" and "httpserver" both find HTTPServer. English
stop words are dropped and English words stemmed (Snowball). Signs alone are no words: C++ and C# are both "c".
"""

from dataclasses import dataclass

import qdrant_edge

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
        self._document_model = _term_frequency_model(saturation=_K1, length_weight=_B, average_length=average_length)
        # A query is weighted by the same saturating form, without length normalization.
        self._query_model = _term_frequency_model(saturation=_K3, length_weight=0.0, average_length=average_length)

    def document(self, title: str, text: str) -> SparseWeights:
        return _weights(self._document_model, f"{title}\n{text}")

    def query(self, text: str) -> SparseWeights:
        """Empty when the text has no word in it but stop words."""
        return _weights(self._query_model, text)


def _term_frequency_model(*, saturation: float, length_weight: float, average_length: float) -> qdrant_edge.Bm25:
    config = qdrant_edge.Bm25Config(
        k=saturation,
        b=length_weight,
        avg_len=average_length,
        tokenizer=qdrant_edge.TokenizerType.Code,
        language="english",
    )
    return qdrant_edge.Bm25(config)


def _weights(model: qdrant_edge.Bm25, text: str) -> SparseWeights:
    vector = model.embed_document(text)
    return SparseWeights(vector.indices, vector.values)


_TERMS = _term_frequency_model(saturation=_K3, length_weight=0.0, average_length=1.0)
