"""Searching within domains: what no document has is found out, at the cost of a look-up only where that is needed."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import Call, enter_call
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.searching import CANDIDATES, Found, Searcher, Wish


class Asked:
    """An index that remembers of which domains it was asked whether any document has them."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.of: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def inhabited(self, tenant: str, domains: Sequence[str]) -> frozenset[str]:
        self.of += domains
        return self._index.inhabited(tenant, domains)


@pytest.fixture
def asked(small_index: Index) -> Asked:
    return Asked(small_index)


def put(index: Asked, tenant: str, domain: str, count: int = 1, *, sign: float = 1.0) -> None:
    documents = [IndexedDocument.of(Document(f"{domain}-{i}", "title", "text", domain)) for i in range(count)]
    vectors = np.full((count, DIMENSION), sign, np.float32)
    index.upsert(tenant, documents, vectors)  # type: ignore[operator]


async def search(index: Asked, *domains: str) -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("words", "", Context(), domains, 10)
    return await Searcher(index, Services()).search(wish)  # type: ignore[arg-type]


async def test_a_domain_of_no_document_is_told(asked: Asked) -> None:
    put(asked, "acme", "medicine")
    put(asked, "globex", "gardening")
    found = await search(asked, "nosuch", "gardening")
    assert found.ranked == []
    assert found.empty_domains == ["nosuch", "gardening"]


async def test_it_is_told_beside_the_hits_of_others_in_the_order_asked_and_once(asked: Asked) -> None:
    put(asked, "acme", "medicine", 20)
    found = await search(asked, "z", "medicine", "a", "z")
    assert len(found.ranked) == 20
    assert found.empty_domains == ["z", "a"]
    assert asked.of == ["z", "a"]


async def test_the_index_is_not_asked_of_domains_that_a_candidate_has(asked: Asked) -> None:
    put(asked, "acme", "medicine")
    put(asked, "acme", "law")
    for domains in ((), ("medicine",), ("law", "medicine")):
        assert list((await search(asked, *domains)).empty_domains) == []
    assert asked.of == []


async def test_a_domain_whose_documents_are_all_outranked_is_not_empty(asked: Asked) -> None:
    put(asked, "acme", "crowd", CANDIDATES)
    put(asked, "acme", "outranked", sign=-1.0)
    found = await search(asked, "crowd", "outranked")
    assert {each.domain for each in found.documents.values()} == {"crowd"}
    assert asked.of == ["outranked"]
    assert list(found.empty_domains) == []


async def test_documents_without_a_domain_are_the_empty_names(asked: Asked) -> None:
    assert (await search(asked, "")).empty_domains == [""]
    put(asked, "acme", "")
    assert list((await search(asked, "")).empty_domains) == []
