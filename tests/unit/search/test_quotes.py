"""Queries that quote a document put it first."""

import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import Call, enter_call
from attune.services.search.explain import explain
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.port import Candidate, Document, Index, IndexedDocument
from attune.services.search.quotes import quoted
from attune.services.search.searching import Found, Searcher
from attune.services.search.wish import Wish

BY_WORDS = [Candidate("a", 9.0), Candidate("b", 5.0)]


@pytest.mark.parametrize(
    ("query", "document", "found"),
    [
        ("wings flutter at supersonic speeds", "Wing flutter: supersonic speed", ["a"]),
        ("wing flutter supersonic heat", "Wing flutter: supersonic speed", []),  # a word is missing
        ("wing flutter", "Wing flutter: supersonic speed", []),  # a topic, not a quotation
        ("of the and", "of the and", []),  # no words but stop words
    ],
)
def test_all_words_and_three_of_them_are_a_quotation(query, document, found):
    assert [each.id for each in quoted(terms_of(query), terms_of(document), BY_WORDS)] == found


@pytest.mark.parametrize(("second", "found"), [(9.0, []), (8.9, []), (8.8, ["a"])])
def test_another_document_with_the_same_words_leaves_it_open(second, found):
    by_words = [Candidate("a", 9.0), Candidate("b", second)]
    terms = terms_of("wing flutter speed")
    assert [each.id for each in quoted(terms, terms, by_words)] == found


def test_without_hits_nothing_is_quoted():
    assert quoted(terms_of("wing flutter speed"), frozenset(), []) == []


async def searched(index: Index, query: str) -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    return await Searcher(index, Services()).search(Wish(query, "", Context(), (), 10))  # type: ignore[arg-type]


@pytest.fixture
def filled(small_index: Index) -> Index:
    """The query's vector is all ones: by meaning, 'near' is first and 'own' last."""
    texts = {
        "near": "flight of birds",
        "middle": "supersonic flow",
        "own": "wing flutter at supersonic speed in flight",
    }
    for place, (name, text) in enumerate(texts.items()):
        vector = np.zeros((1, DIMENSION), np.float32)
        vector[0, place:] = 1 / (DIMENSION - place) ** 0.5
        small_index.upsert("acme", [IndexedDocument.of(Document(name, "", text, "any"), "")], vector)
    return small_index


async def test_it_is_first_though_others_are_nearer_in_meaning_and_says_why(filled):
    found = await searched(filled, "flutter supersonic flight")
    assert found.ranked[0].fused.id == "own"
    told = explain(found.ranked[0])
    assert told.summary == "has all the words of your query, and is the first by them"
    assert {part.name for part in told.parts} >= {"quote", "bm25"}
    assert sum(part.contribution for part in told.parts) == pytest.approx(found.ranked[0].score)


async def test_a_query_that_quotes_nothing_is_ranked_by_both(filled):
    found = await searched(filled, "supersonic birds")
    assert all("quote" not in each.fused.ranks for each in found.ranked)
