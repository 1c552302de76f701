"""Queries that quote a document: all of their words are in it, and by words it is first.

Who types a part of a text, or its very keywords, wants that text. BM25 alone finds it then; fused with a ranking by
meaning, which knows its neighbours as well, it often comes second. So it is given a ranking of its own, in which it is
alone: with it, nothing can be before it. People's questions are hardly touched: they seldom have all their words in
one document. Measured in docs/results/finegrained.md.
"""

from collections.abc import Collection, Sequence

from attune.services.search.index.port import Candidate

RANKING = "quote"
_FEWEST_TERMS = 3
"""Fewer are a name or a topic, which many documents have."""
_LEAD = 0.02
"""By which share of its score it must be before the second one."""


def may_quote(query: Collection[int], by_words: Sequence[Candidate]) -> bool:
    """Whether BM25's first document may be quoted by the query, of these terms, as far as scores tell."""
    if not by_words or len(query) < _FEWEST_TERMS:
        return False
    second = by_words[1].score if len(by_words) > 1 else 0.0
    return by_words[0].score * (1 - _LEAD) >= second


def quoted(query: Collection[int], first: Collection[int], by_words: Sequence[Candidate]) -> list[Candidate]:
    """The ranking of the document that the query quotes: BM25's first one, or none.

    `query` and `first` are the terms of the query and of that document.
    """
    return [by_words[0]] if may_quote(query, by_words) and set(query) <= set(first) else []
