"""The cross-encoder's place in a search: its order is used and explained, and a search does without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.conftest import DIMENSION, Services

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.metrics import Metrics
from attune.services.search.cross_encoding import NOT_CONFIGURED, CrossEncoding, reordered
from attune.services.search.explain import explain
from attune.services.search.fusion import Fused, best_score, in_plain_order
from attune.services.search.index.passages import Passages
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.person import NOBODY
from attune.services.search.personal import personal_ranking
from attune.services.search.service import Configured, SearchServicer


@given(
    scores=st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=20),
    others=st.integers(0, 5),
)
def test_its_order_is_the_order_and_scores_stay_where_they_are(scores: list[float | None], others: int) -> None:
    fused = [Fused(f"d{i:02}", 1 / (60 + i), {"dense": i}, {"dense": 0.5}) for i in range(1, len(scores) + others + 1)]
    found = [*reordered(fused[: len(scores)], scores), *fused[len(scores) :]]
    best = best_score(found)
    assert [each.plain(best) for each in found] == pytest.approx([each.score / best for each in fused])
    by_id = dict(zip((each.id for each in fused), scores, strict=False))
    given_scores = [by_id[each.id] for each in found[: len(scores)]]
    known = [each for each in given_scores if each is not None]
    assert known == sorted(known, reverse=True)
    assert given_scores[len(known) :] == [None] * (len(scores) - len(known))
    assert [each.id for each in in_plain_order(found)] == [each.id for each in found]
    for each in personal_ranking(found, [()] * len(found), NOBODY, 0.0):
        assert sum(part.contribution for part in explain(each).parts) == pytest.approx(each.score)


@dataclass
class Scoring(Services):
    """Texts that have more of the letter x answer better; or nobody answers."""

    ends_with: grpc.StatusCode | None = None
    asked: list[Sequence[str]] = field(default_factory=list)

    async def pair_scores(self, _query: str, texts: Sequence[str]) -> list[float | None]:
        self.asked.append(texts)
        if self.ends_with:
            raise grpc.aio.AioRpcError(self.ends_with, grpc.aio.Metadata(), grpc.aio.Metadata(), "a failure")
        return [float(text.count("x")) for text in texts]


def servicer_of(index: Index, services: Services, encoding: CrossEncoding) -> SearchServicer:
    documents = [IndexedDocument.of(Document(f"d{i}", "words", "x" * i, "")) for i in range(6)]
    index.upsert("acme", documents, np.ones((6, DIMENSION), np.float32))
    return SearchServicer(
        index, services, lambda: datetime.now(UTC), Metrics(), configured=Configured(cross_encoding=encoding)
    )  # type: ignore[arg-type]


async def ask(servicer: SearchServicer, **fields: object) -> pb.SearchResponse:
    enter_call(Call("Search", "acme", float("inf")))
    return await servicer.Search(pb.SearchRequest(query="words", **fields), None)  # type: ignore[arg-type]


def ids(answer: pb.SearchResponse) -> list[str]:
    return [hit.document.document_id for hit in answer.hits]


async def test_the_first_ones_are_ordered_anew_and_the_others_stay_below(small_index: Index) -> None:
    services = Scoring()
    servicer = servicer_of(small_index, services, CrossEncoding(is_there=True, candidates=4))
    answer = await ask(servicer)
    assert ids(answer) == ["d3", "d2", "d1", "d0", "d4", "d5"]
    assert services.asked == [["words", "words\nx", "words\nxx", "words\nxxx"]]
    parts = {part.name: part for part in answer.hits[0].explanation.parts}
    assert (parts["cross_encoder"].rank, parts["cross_encoder"].value) == (1, 3.0)
    assert parts["cross_encoder"].contribution > 0
    assert answer.hits[0].score == pytest.approx(1.0)
    assert [part.name for part in answer.hits[4].explanation.parts] == ["bm25", "dense", "personal"]
    assert list(answer.notices) == []


class Forgetful:
    """An index of which a document is deleted just after it was found."""

    def __init__(self, index: Index, gone: str) -> None:
        self._index = index
        self._gone = gone

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def documents(self, *asked: object, **how: object) -> dict[str, Document]:
        found = self._index.documents(*asked, **how)  # type: ignore[arg-type]
        return {id_: each for id_, each in found.items() if id_ != self._gone}


async def test_what_was_deleted_since_it_was_found_is_not_read(small_index: Index) -> None:
    services = Scoring()
    index = Forgetful(small_index, "d1")
    answer = await ask(servicer_of(index, services, CrossEncoding(is_there=True, candidates=4)))  # type: ignore[arg-type]
    assert [len(texts) for texts in services.asked] == [3]
    assert sorted(ids(answer)) == ["d0", "d2", "d3", "d4", "d5"]


async def test_a_request_says_how_many(small_index: Index) -> None:
    servicer = servicer_of(small_index, Scoring(), CrossEncoding(is_there=True, candidates=4))
    assert ids(await ask(servicer, cross_encoder_candidates=0)) == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert ids(await ask(servicer, cross_encoder_candidates=2)) == ["d1", "d0", "d2", "d3", "d4", "d5"]
    assert ids(await ask(servicer, cross_encoder_candidates=100)) == ["d5", "d4", "d3", "d2", "d1", "d0"]


async def test_where_there_is_none_a_request_for_it_is_told_so(small_index: Index) -> None:
    services = Scoring()
    servicer = servicer_of(small_index, services, CrossEncoding())
    assert list((await ask(servicer)).notices) == []
    assert list((await ask(servicer, cross_encoder_candidates=0)).notices) == []
    answer = await ask(servicer, cross_encoder_candidates=5)
    assert (list(answer.notices), ids(answer)[0], services.asked) == ([NOT_CONFIGURED], "d0", [])


@pytest.mark.parametrize(
    "code",
    ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "FAILED_PRECONDITION", "UNIMPLEMENTED"],
)
async def test_without_its_answer_the_order_is_the_fusions_and_said_so(small_index: Index, code: str) -> None:
    services = Scoring(ends_with=grpc.StatusCode[code])
    answer = await ask(servicer_of(small_index, services, CrossEncoding(is_there=True, candidates=4)))
    assert ids(answer) == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert list(answer.notices) == [f"the cross-encoder did not answer ({code}): this is the order without it"]


async def test_what_it_refuses_is_an_error(small_index: Index) -> None:
    services = Scoring(ends_with=grpc.StatusCode.UNAUTHENTICATED)
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(servicer_of(small_index, services, CrossEncoding(is_there=True, candidates=4)))


async def test_of_a_long_document_it_reads_the_passage_that_answers(small_index: Index) -> None:
    services = Scoring()
    servicer = servicer_of(small_index, services, CrossEncoding(is_there=True, candidates=10))
    rows = np.stack([-np.ones(DIMENSION, np.float32), np.ones(DIMENSION, np.float32)])
    long = Document("long", "words", "first xxxxxxxxxx", "")
    small_index.upsert("acme", [IndexedDocument.of(long)], rows[:1], {"long": Passages([(0, 5), (6, 16)], rows)})
    assert ids(await ask(servicer))[0] == "long"
    assert "words\nxxxxxxxxxx" in services.asked[0]
