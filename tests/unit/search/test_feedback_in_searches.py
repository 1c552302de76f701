"""Feedback and comparisons through the service itself, over a small index: what was said holds in the next search."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, MakeRanker, Services

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.metrics import Metrics
from attune.services.search.comparing.plan import Comparison
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.ranking.configured import Rankings
from attune.services.search.ranking.rankings import LEARNED, PERSONAL, PLAIN, Formula, Learned
from attune.services.search.ranking.token import Method, Token
from attune.services.search.service import Configured, SearchServicer

NOW = datetime(2026, 11, 3, tzinfo=UTC)
WORDS = {"tea": "tea", "coffee": "coffee", "both": "tea coffee", "much": "tea tea tea coffee milk", "milk": "milk"}


class Recording(Services):
    """Knows every entity id, and refuses nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[InteractionEvent] = []
        self.searched: list[str] = []

    async def record(self, *events: InteractionEvent) -> None:
        self.recorded += events

    async def known_ids(self, _user: str, entity_ids: list[str]) -> list[str]:
        return list(entity_ids)

    async def linked_texts(self, texts: list[str]) -> list[list[str]]:
        return [[] for _ in texts]

    async def vectors_by_space(self, text: str) -> dict[str, np.ndarray]:
        return {"": vector(text)}

    async def query_vectors(self, query: str, asked: dict[str, Any]) -> list[tuple[np.ndarray, Any]]:  # type: ignore[override]
        self.searched.append(query)
        return [(vector(query), augmentation) for augmentation in asked.values()]


def vector(text: str) -> np.ndarray:
    """An axis a word, and one that all texts share."""
    found = np.full(DIMENSION, 0.1, np.float32)
    for word in text.lower().split():
        found[sorted(WORDS).index(word) if word in WORDS else 7] += 1
    return found / np.float32(np.linalg.norm(found))


class Visit:
    """A user's session with the service."""

    def __init__(self, index: Index, rankings: Rankings | None = None) -> None:
        self.services = Recording()
        self.now = NOW
        configured = Configured(rankings=rankings or Rankings())
        self.service = SearchServicer(index, self.services, lambda: self.now, Metrics(), configured=configured)  # type: ignore[arg-type]

    async def search(self, query: str = "tea coffee", session: str = "s", **fields: Any) -> pb.SearchResponse:
        enter_call(Call("Search", "acme", float("inf")))
        context = fields.pop("context", Context(session_id=session))
        request = pb.SearchRequest(**{"query": query, "user_id": "ada", "context": context} | fields)
        return await self.service.Search(request, None)  # type: ignore[arg-type]

    async def say(self, request_id: str, **fields: Any) -> pb.SubmitFeedbackResponse:
        enter_call(Call("SubmitFeedback", "acme", float("inf")))
        request = pb.SubmitFeedbackRequest(request_id=request_id, user_id="ada", session_id="s", **fields)
        return await self.service.SubmitFeedback(request, None)  # type: ignore[arg-type]


def ids(answer: pb.SearchResponse) -> list[str]:
    return [hit.document.document_id for hit in answer.hits]


@pytest.fixture
def start(small_index: Index) -> Callable[..., Visit]:
    documents = [Document(name, name, text, "", entity_ids=(f"e_{name}",)) for name, text in WORDS.items()]
    vectors = np.stack([vector(text) for text in WORDS.values()])
    small_index.upsert("acme", [IndexedDocument.of(each) for each in documents], vectors)
    return lambda rankings=None: Visit(small_index, rankings)


async def test_a_rejected_document_is_gone_at_once_for_this_session_alone(start: Callable[..., Visit]) -> None:
    visit = start()
    before = await visit.search()
    await visit.say("r1", document_id=ids(before)[0], placement=pb.PLACEMENT_REJECTED)
    after = await visit.search()
    assert ids(after) == ids(before)[1:]
    assert after.session_feedback.rejected == 1
    assert ids(await visit.search(session="other")) == ids(before)
    assert not (await visit.search(session="other")).HasField("session_feedback")
    assert ids(await visit.search(user_id="")) == ids(before)
    assert ids(await visit.search(context=Context(session_id="s", personalization=0))) == ids(before)


async def test_a_pinned_document_comes_first_and_says_why(start: Callable[..., Visit]) -> None:
    visit = start()
    last = ids(await visit.search())[-1]
    await visit.say("r1", document_id=last, placement=pb.PLACEMENT_PINNED)
    answer = await visit.search()
    assert ids(answer)[0] == last
    assert answer.hits[0].explanation.summary == "because you pinned it"
    assert answer.session_feedback.pinned == 1


async def test_an_entity_that_is_not_meant_lowers_its_documents_and_the_parts_say_so(
    start: Callable[..., Visit],
) -> None:
    visit = start()
    first = ids(await visit.search())[0]
    await visit.say("r1", document_id=first, not_about=pb.SubjectCorrection())
    answer = await visit.search()
    assert ids(answer)[0] != first
    lowered = next(hit for hit in answer.hits if hit.document.document_id == first)
    assert sum(part.contribution for part in lowered.explanation.parts) == pytest.approx(lowered.score)
    assert "feedback" in [part.name for part in lowered.explanation.parts]


async def test_a_wrong_part_is_not_searched_for_and_its_replacement_is(start: Callable[..., Visit]) -> None:
    visit = start()
    await visit.say("r1", query=pb.QueryCorrection(part="Coffee!"))
    without = await visit.search("tea coffee")
    assert (without.session_feedback.parts_removed, visit.services.searched[-1]) == (1, "tea")
    assert ids(without) == ids(await visit.search("tea", session="other"))
    await visit.say("r2", query=pb.QueryCorrection(part="tea coffee", replacement="milk"))
    instead = await visit.search("tea coffee")
    assert ids(instead)[0] == "milk"
    assert instead.session_feedback.parts_replaced == 1
    assert all("coffee" not in text and "tea coffee" not in text for text in visit.services.searched[-1:])


async def test_where_all_of_the_query_was_wrong_nothing_is_found_and_it_is_said(start: Callable[..., Visit]) -> None:
    visit = start()
    await visit.say("r1", query=pb.QueryCorrection(part="tea"))
    answer = await visit.search("Tea?")
    assert ids(answer) == []
    assert any("taken out by feedback" in notice for notice in answer.notices)


async def test_pages_of_one_list_do_not_move_when_something_is_rejected_in_between(start: Callable[..., Visit]) -> None:
    visit = start()
    whole = ids(await visit.search())
    first = await visit.search(page_size=2)
    visit.now += timedelta(seconds=1)
    await visit.say("r1", document_id=ids(first)[0], placement=pb.PLACEMENT_REJECTED)
    second = await visit.search(page_size=2, page_token=first.next_page_token)
    assert ids(first) + ids(second) == whole[:4]
    assert second.query_id == first.query_id
    assert ids(await visit.search(page_size=2)) == whole[1:3]


async def test_a_share_of_the_sessions_is_interleaved_and_named_ones_are_by_their_name(
    start: Callable[..., Visit], make_ranker: MakeRanker
) -> None:
    learned = Learned(make_ranker(dense=-5.0))
    by_name = {PLAIN: Formula(PLAIN), PERSONAL: Formula(PERSONAL), LEARNED: learned}
    compared = Comparison(PERSONAL, LEARNED, Method.INTERLEAVING, 1.0)
    visit = start(Rankings(by_name, PERSONAL, compared))
    answer = await visit.search(query_id="q1")
    assert list(answer.ranking.names) == [PERSONAL, LEARNED]
    assert answer.ranking.method == pb.COMPARISON_METHOD_INTERLEAVING
    tokens = [Token.decoded(hit.token) for hit in answer.hits]
    assert {each.first for each in tokens} == {Formula(PERSONAL).version}
    assert {each.second for each in tokens} == {learned.version}
    assert {hit.ranking for hit in answer.hits} >= {PERSONAL, LEARNED}
    assert answer.query_id == "q1"
    assert ids(await visit.search(query_id="q1")) == ids(answer)
    alone = await visit.search(rankings=[LEARNED])
    assert list(alone.ranking.names) == [LEARNED]
    assert all(Token.decoded(hit.token).method is Method.NOTHING for hit in alone.hits)
    plain = await visit.search(context=Context(session_id="s", personalization=0))
    assert list(plain.ranking.names) == [PERSONAL]


async def test_a_ranking_that_is_not_configured_is_refused_with_the_mend(start: Callable[..., Visit]) -> None:
    with pytest.raises(ServiceError, match="ATTUNE_SEARCH_CHALLENGER_PATH") as refused:
        await start().search(rankings=[PLAIN, "challenger"])
    assert [each.field for each in refused.value.violations] == ["rankings[1]"]


async def test_a_learned_ranking_explains_itself_part_by_part(
    start: Callable[..., Visit], make_ranker: MakeRanker
) -> None:
    by_name = {PLAIN: Formula(PLAIN), PERSONAL: Formula(PERSONAL), LEARNED: Learned(make_ranker(dense=1.0, bm25=2.0))}
    answer = await start(Rankings(by_name, LEARNED)).search()
    for hit in answer.hits:
        assert {part.name for part in hit.explanation.parts} <= {"dense", "bm25"}
        assert sum(part.contribution for part in hit.explanation.parts) == pytest.approx(hit.score)
