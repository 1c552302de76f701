"""Pages hold still, whatever happens to documents and scores between them; tokens are of use to their request alone."""

import base64
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.metrics import Metrics
from attune.services.search.comparing.plan import Assignment
from attune.services.search.feedback.memory import SessionMemory
from attune.services.search.feedback.mending import Mended
from attune.services.search.fusion import Fused
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.kept_rankings import KeptRankings
from attune.services.search.leaning.contexts import FromContext
from attune.services.search.listing import Listed, Lists
from attune.services.search.ordering import Draw, Ordering
from attune.services.search.paging import RANKED_ANEW, Page, Pages, Place
from attune.services.search.person import Acquaintance
from attune.services.search.personal import Evidence, Ranked, Weight
from attune.services.search.ranking.configured import Rankings
from attune.services.search.searching import Found
from attune.services.search.service import SearchServicer
from attune.services.search.wish import Wish

NOW = datetime(2026, 11, 3, tzinfo=UTC)
PROTO = Path(__file__).parents[3] / "protos/attune/search/v1/search.proto"


class World:
    """Stands where `Searcher` does: every document answers every query, as well as its score says."""

    def __init__(self, count: int) -> None:
        self.scores = {f"d{number}": -float(number) for number in range(count)}
        self.searches = 0

    async def search(self, _wish: Wish) -> Found:
        self.searches += 1
        order = sorted(self.scores, key=lambda each: (-self.scores[each], each))
        ranked = [Ranked(Fused(each, 1.0, {}, {}), 1, 1.0, 0.0, 0.0, ()) for each in order]
        return Found(ranked, await self.documents(_wish, order), Weight(0.0, ""))

    async def passages(self, _vectors: object, _documents: Iterable[Document]) -> dict[str, Passage]:
        return {}

    async def documents(self, _wish: Wish, ids: Iterable[str]) -> dict[str, Document]:
        return {each: Document(each, each, "", "") for each in ids if each in self.scores}


class Reader:
    """Reads page after page of one request."""

    def __init__(self, world: World, page_size: int, *, kept: int = 10) -> None:
        self.world = world
        self.size = page_size
        self._most = kept
        self.restart()
        self.token = ""
        self.seen: list[str] = []
        self.is_at_end = False

    def restart(self) -> None:
        lists = Lists(self.world, Rankings(), SessionMemory(), lambda: NOW)  # type: ignore[arg-type]
        self._pages = Pages(lists, KeptRankings(self._most, clock=lambda: 0.0), lambda: NOW)

    async def next(self) -> Page:
        enter_call(Call("Search", "acme", float("inf")))
        request = pb.SearchRequest(query="words", page_size=self.size, page_token=self.token)
        page = await self._pages.page(request, Wish("words", "", Context(), (), self.size))
        self.seen += [document.id for _, document in page.hits]
        self.token = page.next_token
        self.is_at_end = not page.next_token
        return page


DOCUMENT = st.integers(0, 39).map(lambda number: f"d{number}")
STEP = st.one_of(
    st.tuples(st.just("write"), DOCUMENT, st.floats(-50, 10)),
    st.tuples(st.just("delete"), DOCUMENT, st.just(0.0)),
    st.tuples(st.just("restart"), st.just(""), st.just(0.0)),
)


async def read_through(reader: Reader, steps: list[tuple[str, str, float]]) -> tuple[set[str], bool]:
    """All pages, with a few of the steps before each but the first; return what was there all the time."""
    stayed = set(reader.world.scores)
    restarted = False
    await reader.next()
    while not reader.is_at_end:
        for what, document, score in steps[:3]:
            if what == "write":
                reader.world.scores[document] = score
            elif what == "delete" and reader.world.scores.pop(document, None) is not None:
                stayed.discard(document)
            elif what == "restart":
                restarted = True
                reader.restart()
        steps = steps[3:]
        await reader.next()
    return stayed, restarted


@given(count=st.integers(0, 30), size=st.integers(1, 12), kept=st.integers(0, 2), steps=st.lists(STEP, max_size=30))
async def test_no_document_comes_twice_and_none_is_lost(
    count: int, size: int, kept: int, steps: list[tuple[str, str, float]]
) -> None:
    reader = Reader(World(count), size, kept=kept)
    stayed, restarted = await read_through(reader, steps)
    assert len(reader.seen) == len(set(reader.seen))
    assert stayed <= set(reader.seen)
    if kept and not restarted:
        assert reader.world.searches == 1
        first_order = [each for each in (f"d{number}" for number in range(count)) if each in reader.seen]
        assert reader.seen == first_order


async def test_pages_are_full_although_documents_went() -> None:
    reader = Reader(World(10), 3)
    await reader.next()
    for gone in ("d3", "d4", "d7"):
        del reader.world.scores[gone]
    await reader.next()
    assert reader.seen == ["d0", "d1", "d2", "d5", "d6", "d8"]


async def test_a_page_can_be_read_again() -> None:
    reader = Reader(World(9), 3)
    await reader.next()
    token = reader.token
    first = [document.id for _, document in (await reader.next()).hits]
    reader.token = token
    assert [document.id for _, document in (await reader.next()).hits] == first


async def test_where_nothing_is_left_the_last_page_is_empty() -> None:
    reader = Reader(World(4), 2)
    await reader.next()
    reader.world.scores.clear()
    page = await reader.next()
    assert (page.hits, page.next_token) == ([], "")


async def test_after_a_restart_the_rest_is_ranked_anew_and_said_so() -> None:
    reader = Reader(World(6), 2)
    assert (await reader.next()).notices == ()
    reader.restart()
    reader.world.scores["d5"] = 1.0
    assert (await reader.next()).notices == [RANKED_ANEW]
    assert reader.seen == ["d0", "d1", "d5", "d2"]
    assert (await reader.next()).notices == ()
    assert reader.seen[4:] == ["d3", "d4"]


def listed(found: Found) -> Listed:
    order = Ordering([], [], Rankings().by_name).whole(Draw(10, "name"), Assignment(("plain",)), "plain")
    return Listed(found, order, "name", Mended("words", Context()), has_feedback=False)


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ranking_is_kept_until_nobody_has_read_it_for_a_while() -> None:
    watch = Watch()
    kept = KeptRankings(10, 60.0, clock=watch)
    found = listed(Found([], {}, Weight(0.0, "")))
    read, unread = kept.keep("request", found), kept.keep("request", found)
    watch.now = 59.0
    assert kept.find("request", read) is not None
    watch.now = 61.0
    assert kept.find("request", read) is not None
    assert kept.find("request", unread) is None
    watch.now = 122.0
    assert kept.find("request", read) is None
    assert len(kept) == 0


def test_of_too_many_rankings_the_least_lately_read_goes() -> None:
    kept = KeptRankings(2, clock=lambda: 0.0)
    found = listed(Found([], {}, Weight(0.0, "")))
    first, second = kept.keep("r", found), kept.keep("r", found)
    assert kept.find("r", first) is not None
    third = kept.keep("r", found)
    assert [kept.find("r", name) is not None for name in (first, second, third)] == [True, False, True]


def ranked_by(evidence: int, contexts: int) -> Listed:
    known = Acquaintance("e", "an entity", 0.5)
    moved = FromContext(0.1, 1, 0.5)
    of_contexts = (moved if contexts else None, moved if contexts > 1 else None)
    hit = Ranked(Fused("d", 1.0, {}, {}), 1, 1.0, 0.0, 0.0, (Evidence(known, 0.1),) * evidence, *of_contexts)
    return listed(Found([hit] * 100, {}, Weight(0.0, "")))


@pytest.mark.parametrize(("evidence", "contexts", "held"), [(0, 0, 11), (4, 0, 6), (0, 2, 7), (4, 2, 5)])
def test_of_larger_rankings_fewer_are_kept(evidence: int, contexts: int, held: int) -> None:
    kept = KeptRankings(100, most_bytes=1_000_000, clock=lambda: 0.0)
    found = ranked_by(evidence, contexts)
    names = [kept.keep("r", found) for _ in range(30)]
    assert len(kept) == held
    assert [kept.find("r", name) is not None for name in names] == [False] * (30 - held) + [True] * held


def test_what_is_larger_than_all_that_may_be_kept_is_not_and_moves_nothing() -> None:
    kept = KeptRankings(most_bytes=100_000, clock=lambda: 0.0)
    small = kept.keep("r", ranked_by(0, 0))
    assert kept.keep("r", ranked_by(4, 2)) == ""
    assert kept.find("r", small) is not None


def test_room_of_rankings_that_are_gone_is_there_for_others() -> None:
    watch = Watch()
    kept = KeptRankings(most_bytes=100_000, expiry_s=60.0, clock=watch)
    for now in (0.0, 61.0, 122.0):
        watch.now = now
        assert kept.find("r", kept.keep("r", ranked_by(0, 0))) is not None


def test_a_ranking_is_found_by_its_own_request_only_and_without_documents() -> None:
    kept = KeptRankings(clock=lambda: 0.0)
    with_texts = Found([], {"d": Document("d", "a", "text", "")}, Weight(0.0, ""), milliseconds={"a": 1})
    name = kept.keep("r", listed(with_texts))
    assert kept.find("another", name) is None
    found = kept.find("r", name)
    assert found is not None
    assert (found.found.documents, found.found.milliseconds) == ({}, {})


# The service


@pytest.fixture
def servicer(small_index: Index) -> SearchServicer:
    documents = [IndexedDocument.of(Document(f"d{i}", "title", f"words {i}", "")) for i in range(9)]
    small_index.upsert("acme", documents, np.ones((9, DIMENSION), np.float32))
    small_index.upsert("globex", documents, np.ones((9, DIMENSION), np.float32))
    return SearchServicer(small_index, Services(), lambda: datetime.now(UTC), Metrics())  # type: ignore[arg-type]


async def ask(servicer: SearchServicer, request: pb.SearchRequest, tenant: str = "acme") -> pb.SearchResponse:
    enter_call(Call("Search", tenant, float("inf")))
    return await servicer.Search(request, None)  # type: ignore[arg-type]


FIRST = pb.SearchRequest(query="words", user_id="ada", page_size=3, context=Context(session_id="s"))


def changed(token: str, **fields: object) -> pb.SearchRequest:
    request = pb.SearchRequest(query="words", user_id="ada", page_size=3, context=Context(session_id="s"))
    request.page_token = token
    request.MergeFrom(pb.SearchRequest(**fields))  # type: ignore[arg-type]
    return request


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "others"},
        {"user_id": "bea"},
        {"page_size": 4},
        {"domains": ["law"]},
        {"augmentation": 1},
        {"context": Context(personalization=0)},
        {"context": Context(session_id="t")},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_token_of_another_request_is_refused(servicer: SearchServicer, fields: dict[str, object]) -> None:
    token = (await ask(servicer, FIRST)).next_page_token
    with pytest.raises(ServiceError) as raised:
        await ask(servicer, changed(token, **fields))
    assert [each.field for each in raised.value.violations] == ["page_token"]


async def test_a_token_of_another_tenant_is_refused(servicer: SearchServicer) -> None:
    token = (await ask(servicer, FIRST)).next_page_token
    with pytest.raises(ServiceError) as raised:
        await ask(servicer, changed(token), "globex")
    assert [each.field for each in raised.value.violations] == ["page_token"]


def forged(token: str, position: object) -> str:
    made_for, _ = json.loads(base64.urlsafe_b64decode(token))
    return base64.urlsafe_b64encode(json.dumps([made_for, position]).encode()).decode()


@pytest.mark.parametrize(
    "position",
    [
        *[3, None, [], ["x"], ["q", 0, "x", -1, ""], ["q", 0, "x", True, ""], ["q", False, "x", 0, ""]],
        *[
            ["q", 0, "x", 0, "?"],
            ["q", 0, "x", 0, "YQ=="],
            [1, 0, "x", 0, ""],
            ["q", 0, 1, 0, ""],
            ["q", 0, "x", 0.5, ""],
        ],
        *[["q", -1, "x", 0, ""], ["q", 10**18, "x", 0, ""]],
    ],
)
async def test_a_damaged_token_is_refused(servicer: SearchServicer, position: object) -> None:
    token = (await ask(servicer, FIRST)).next_page_token
    with pytest.raises(ServiceError) as raised:
        await ask(servicer, changed(forged(token, position)))
    assert [each.field for each in raised.value.violations] == ["page_token"]


async def test_a_start_beyond_the_end_finds_nothing(servicer: SearchServicer) -> None:
    token = (await ask(servicer, FIRST)).next_page_token
    _, (query_id, until, ranking, _, shown) = json.loads(base64.urlsafe_b64decode(token))
    answer = await ask(servicer, changed(forged(token, [query_id, until, ranking, 10**9, shown])))
    assert (list(answer.hits), answer.next_page_token) == ([], "")


async def test_pages_go_on_over_writes_and_deletions(servicer: SearchServicer, small_index: Index) -> None:
    answer = await ask(servicer, FIRST)
    seen = [hit.document.document_id for hit in answer.hits]
    place = len(seen)
    while answer.next_page_token:
        written = IndexedDocument.of(Document(f"new{place}", "words", "words words", ""))
        small_index.upsert("acme", [written], np.ones((1, DIMENSION), np.float32))
        small_index.delete("acme", [f"d{place}"])
        place += 2
        answer = await ask(servicer, changed(answer.next_page_token))
        seen += [hit.document.document_id for hit in answer.hits]
    assert seen == ["d0", "d1", "d2", "d4", "d5", "d6", "d7", "d8"]  # d3 went before it was shown, d5 after


async def test_a_page_of_a_kept_ranking_tells_the_same_as_the_first(servicer: SearchServicer) -> None:
    first = await ask(servicer, FIRST)
    second = await ask(servicer, changed(first.next_page_token))
    assert second.personalization == first.personalization
    assert list(second.experts) == list(first.experts)
    assert second.query_id == first.query_id
    assert second.hits[0].score <= first.hits[-1].score
    assert second.hits[0].explanation.plain_rank == 4


async def test_the_default_page_size_and_its_number_are_the_same(servicer: SearchServicer, small_index: Index) -> None:
    more = [IndexedDocument.of(Document(f"e{i}", "words", "", "")) for i in range(5)]
    small_index.upsert("acme", more, np.ones((5, DIMENSION), np.float32))
    token = (await ask(servicer, pb.SearchRequest(query="words"))).next_page_token
    assert len((await ask(servicer, pb.SearchRequest(query="words", page_size=10, page_token=token))).hits) == 4


def test_the_longest_token_is_one_that_a_request_may_have() -> None:
    """Of 300 documents, and of the longest names that a search can have."""
    (most,) = re.findall(r"string page_token = 6 .*max_len = (\d+)", PROTO.read_text(encoding="utf-8"))
    for letter in ("q", "\x01", "\U0001f600"):
        place = Place(letter * 128, NOW, "r" * 12, 300, bytes(4 * 300))
        assert len(place.token("f" * 16)) <= int(most)
        assert Place.of(place.token("f" * 16), "f" * 16) == place
