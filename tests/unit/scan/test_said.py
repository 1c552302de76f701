"""The look for what tests said finds it where it must not be, and allows it where it may be."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.e2e.said import LogLines, Places, Said, Spans, heard

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.knowledge.v1.knowledge_pb2 import RecordInteractionsRequest
from attune.knowledge_store.kept import KeptObject, KeptUser
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.search.v1.search_pb2 import Document, IndexDocumentsRequest, SearchRequest
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.client import interaction
from attune.services.runtime.logs import configure_logs

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
QUERY = "where do quokkas sleep at night"
TURN = "how old do numbats become in captivity"
PAGE = "Quokkas sleep under shrubs in the shade, and come out at night to feed on grass."
STATEMENT = "I keep three wombats in my garden"


@pytest.fixture
def said() -> Said:
    heard = Said()
    heard.hear(SearchRequest(query=QUERY, user_id="ada with a long name", context=Context(turns=[Turn(query=TURN)])))
    heard.hear(IndexDocumentsRequest(document=Document(document_id="d", title="quokka", text=PAGE)))
    heard.hear(RecordInteractionsRequest(event=interaction("ada", "statement", datetime.now(UTC), query=STATEMENT)))
    return heard


def test_all_words_of_calls_are_heard_and_names_are_not(said: Said) -> None:
    assert {QUERY, TURN} < said.asked
    assert said.documents == {PAGE.lower()}
    assert said.statements == {STATEMENT.lower()}
    assert len(said.everything) == 4


@pytest.mark.parametrize("text", ["asyncio", "asyncio.Queue handoff-of-work", "a b c d", ""])
def test_what_says_too_little_to_be_known_again_is_not_heard(text: str) -> None:
    said = Said()
    said.hear(SearchRequest(query=text))
    assert said.asked == set()


@pytest.mark.parametrize("text", [QUERY, TURN, PAGE, STATEMENT, QUERY.upper(), PAGE.replace(" ", "  ")])
def test_nothing_that_was_said_may_be_in_plain_sight(said: Said, text: str) -> None:
    assert len(said.in_plain_sight(f"a line\nthe query was '{text}', and failed\n")) == 1
    assert said.in_plain_sight("a line of another kind, on quokkas") == []


@pytest.mark.parametrize(
    "text",
    [
        'what does "async with" mean here',
        "wo schläft das Känguru im Winter",
        "where do 🦘 sleep in the winter",
        "one line of it\nand another\tline",
        r"where is C:\new\table kept",
    ],
)
@pytest.mark.parametrize("written", [json.dumps, repr])
def test_what_a_line_has_escaped_is_found(text: str, written: Callable[[object], str]) -> None:
    said = Said()
    said.hear(SearchRequest(query=text))
    assert len(said.in_plain_sight(written({"event": "failed", "why": f"on {text}"}))) == 1


@pytest.mark.parametrize("content", ["\\", "\\ud83d", "a \\u00 b \\xg", "\udc80"])
def test_what_is_badly_escaped_is_looked_through_all_the_same(said: Said, content: str) -> None:
    assert said.in_plain_sight(content) == []
    assert said.in_plain_sight(f"{QUERY} {content}") == [QUERY]


def test_what_goes_over_a_channel_is_heard_whether_or_not_anybody_is_there() -> None:
    said = Said()
    with heard(grpc.insecure_channel("127.0.0.1:1"), said) as channel, pytest.raises(grpc.RpcError):
        SearchServiceStub(channel).Search(SearchRequest(query=QUERY), timeout=5)
    assert said.asked == {QUERY}


@pytest.mark.parametrize("kind", KINDS)
def test_calls_of_all_kinds_are_heard_and_sent_as_they_are(kind: str) -> None:
    def method(_path: str, request_serializer: Callable[[SearchRequest], bytes], **_options: object) -> object:
        return request_serializer

    said, request = Said(), SearchRequest(query=QUERY)
    channel: Any = SimpleNamespace(**dict.fromkeys(KINDS, method))
    send = getattr(heard(channel, said), kind)("/path", request_serializer=SearchRequest.SerializeToString)
    assert send(request) == request.SerializeToString()
    assert said.asked == {QUERY}


def test_a_store_may_have_statements_and_nothing_else(said: Said) -> None:
    assert said.in_store(STATEMENT) == []
    assert said.in_store(f"{STATEMENT} {QUERY} {PAGE}") == sorted([QUERY, PAGE.lower()[:48]])


def test_an_index_may_have_documents_and_what_quotes_them(said: Said) -> None:
    said.hear(SearchRequest(query="quokkas sleep under shrubs"))
    assert said.in_index(PAGE) == []
    assert said.in_index(f"{PAGE} {QUERY}") == [QUERY]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "index/shard").mkdir(parents=True)
    return Places(directories={tmp_path}, logs={tmp_path / "all.log"})


def test_where_nothing_is_left_nothing_leaks(said: Said, places: Places, tmp_path: Path) -> None:
    assert places.leaks(said) == []
    (tmp_path / "all.log").write_text("serving\n")
    (tmp_path / "index/shard/payload").write_text(PAGE)
    SqliteStore(tmp_path / "knowledge.sqlite").close()
    assert places.leaks(said) == []


@pytest.mark.parametrize(
    ("file", "text"), [("all.log", PAGE), ("index/shard/payload", QUERY), ("index/shard/payload", STATEMENT)]
)
def test_a_leak_is_told_with_its_place(said: Said, places: Places, tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_bytes(b"\xff\x00" + text.encode())
    with (tmp_path / file).open("r+b") as long:
        long.truncate(1 << 24)  # as an index makes room for what comes later
    (leak,) = places.leaks(said)
    assert leak == f"{tmp_path / file}: {text.lower()[:48]!r}"


def test_what_a_store_has_packed_is_found(said: Said, places: Places, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "knowledge.sqlite")
    store.load([KeptUser(UserKey("default", QUERY), UserRecord(events=1)), KeptObject("default", PAGE, ())])
    store.close()
    assert [each.partition(": ")[2] for each in places.leaks(said)] == sorted([repr(QUERY), repr(PAGE.lower()[:48])])


def test_metrics_and_traces_are_looked_through(said: Said, places: Places) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Spans(places)))
    span = provider.get_tracer("test").start_span("Search", attributes={"query": QUERY})
    span.add_event("read", {"page": PAGE})
    span.end()
    places.published.add(f'attune_rpcs_total{{method="{STATEMENT}"}} 1.0')
    assert sorted(each.partition(": ")[0] for each in places.leaks(said)) == ["metrics", "traces", "traces"]


def test_a_statement_is_heard_of_events_alone_that_are_one() -> None:
    said = Said()
    said.hear(InteractionEvent(type=EVENT_TYPE_QUERY, user_query=QUERY))
    assert (said.asked, said.statements) == ({QUERY}, set())


def test_a_line_is_looked_through_though_nobody_wants_to_see_it(
    said: Said, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = Places()
    lines = LogLines(places)
    monkeypatch.setattr(structlog, "make_filtering_bound_logger", lines.make_logger)
    monkeypatch.setattr(structlog, "configure", lines.configure)
    configure_logs("error")
    log = structlog.get_logger("tests")
    log.debug("looking for something", words=["a", QUERY])
    assert capsys.readouterr().err == ""
    assert places.leaks(said) == [f"log lines: {QUERY!r}"]
    log.error("failed", seconds=1.5)
    assert json.loads(capsys.readouterr().err)["event"] == "failed"
    assert "1.5" not in places.logged
