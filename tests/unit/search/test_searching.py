"""Searching within domains: what no document has is found out, at the cost of a look-up only where that is needed."""

from collections.abc import Sequence

import grpc
import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import Call, enter_call
from attune.services.search.index.port import Document, Index, IndexedDocument, ToRank
from attune.services.search.retrieving import CANDIDATES
from attune.services.search.searching import Found, Searcher
from attune.services.search.wish import Wish


class Asked:
    """An index that remembers of which domains it was asked whether any document has them, and what was read of it."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.of: list[str] = []
        self.read: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def inhabited(self, tenant: str, domains: Sequence[str], principals: Sequence[str] | None) -> frozenset[str]:
        self.of += domains
        return self._index.inhabited(tenant, domains, principals)

    def to_rank(self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None) -> ToRank:
        self.read += ids
        return self._index.to_rank(tenant, ids, principals)


@pytest.fixture
def asked(small_index: Index) -> Asked:
    return Asked(small_index)


def put(index: Asked, tenant: str, domain: str, count: int = 1, *, sign: float = 1.0) -> None:
    documents = [IndexedDocument.of(Document(f"{domain}-{i}", "title", "text", domain)) for i in range(count)]
    vectors = np.full((count, DIMENSION), sign, np.float32)
    index.upsert(tenant, documents, vectors)  # type: ignore[operator]


async def search(index: Asked, *domains: str, user: str = "ada") -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("words", user, Context(), domains, 10)
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


async def test_of_candidates_nothing_is_read_where_nothing_of_them_counts(asked: Asked) -> None:
    put(asked, "acme", "medicine", 20)
    put(asked, "acme", "law")
    known, nobody = await search(asked, "medicine"), await search(asked, "medicine", user="")
    assert len(asked.read) == len(nobody.ranked) == 20
    assert [each.fused for each in known.ranked] == [each.fused for each in nobody.ranked]
    assert asked.of == []
    assert (await search(asked, "nosuch", "law", user="")).empty_domains == ["nosuch"]
    assert (await search(asked, "nosuch", user="")).empty_domains == ["nosuch"]


async def test_where_nothing_is_indexed_that_is_told(asked: Asked) -> None:
    put(asked, "globex", "medicine")
    (notice,) = (await search(asked)).notices
    assert "no documents of this tenant" in notice
    assert (await search(asked, "medicine")).notices == []  # what is told of empty domains is enough
    put(asked, "acme", "medicine")
    assert (await search(asked)).notices == []


async def search_of(index: Index, code: grpc.StatusCode) -> Found:
    document = Document("1", "title", "words", "", entity_ids=("a",))
    index.upsert("acme", [IndexedDocument.of(document)], np.ones((1, DIMENSION), np.float32))
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("words", "ada", Context(), (), 10)
    return await Searcher(index, Services(fails_with=code)).search(wish)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"])
async def test_without_an_answer_of_the_knowledge_service_the_ranking_is_plain(small_index: Index, code: str) -> None:
    found = await search_of(small_index, grpc.StatusCode[code])
    assert [each.fused.id for each in found.ranked] == ["1"]
    assert found.weight.value == 0
    assert found.weight.reason.startswith("the knowledge service is unavailable")


async def test_what_the_knowledge_service_refuses_is_no_plain_ranking(small_index: Index) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await search_of(small_index, grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize(
    ("user", "context"), [("ada", Context(personalization=0)), ("", Context()), ("", Context(personalization=2))]
)
async def test_without_personalization_nobody_is_asked_of_the_user(
    small_index: Index, user: str, context: Context
) -> None:
    put(small_index, "acme", "medicine", 3)  # type: ignore[arg-type]
    enter_call(Call("Search", "acme", float("inf")))
    searcher = Searcher(small_index, Services(fails_with=grpc.StatusCode.UNAUTHENTICATED))  # type: ignore[arg-type]
    found = await searcher.search(Wish("text", user, context, (), 10))
    assert (found.weight.value, found.weight.reason) == (0.0, "no personalization was asked for")
    assert [each.plain_rank for each in found.ranked] == [1, 2, 3]
    assert all(each.score == each.plain for each in found.ranked)
