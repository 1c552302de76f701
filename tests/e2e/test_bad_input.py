"""What people get wrong, over real gRPC: one sentence that names the field, the right code, and nothing else harmed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from tests.e2e.conftest import record_visibly
from tests.e2e.material import QUERY, reading
from tests.e2e.refusals import Refusal, refused, rpc

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.search.v1 import search_pb2 as search
from attune.services.cli.system import System
from attune.services.client import Client, feedback, interaction
from attune.services.runtime.config import RoleName
from attune.suggestion.v1 import suggestion_pb2 as suggestion

pytestmark = pytest.mark.e2e

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
Texts = embedding.EmbedRequest


def texts(*given: str, **options: Any) -> embedding.EmbedRequest:
    return Texts(inputs=[embedding.TextInput(text=each) for each in given], **options)


def assert_names(refusal: Refusal, field: str) -> None:
    """The caller's mistake, told to people by a sentence and to programs by the path of the field."""
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_FIELD"
    assert refusal.fields[0] == field
    assert refusal.sentence.startswith(f"{field}: ")
    assert "\n" not in refusal.sentence


BAD_REQUESTS: list[tuple[RoleName, str, Any, str]] = [
    (RoleName.EMBEDDING, "Embed", texts(), "inputs"),
    (RoleName.EMBEDDING, "Embed", texts(*["x"] * 1025), "inputs"),
    (RoleName.EMBEDDING, "Embed", texts("x", output=embedding.OutputFormat(dtype=9)), "output.dtype"),  # type: ignore[arg-type]
    (RoleName.EMBEDDING, "Embed", texts("x", output=embedding.OutputFormat(dimension=385)), "output.dimension"),
    (RoleName.EMBEDDING, "Embed", texts("x", output=embedding.OutputFormat(dimension=70_000)), "output.dimension"),
    (RoleName.EMBEDDING, "Embed", texts("x", lane=8), "lane"),
    (RoleName.EMBEDDING, "Embed", Texts(inputs=[{"text": "x"}, {"text": "x", "role": 7}]), "inputs[1].role"),
    (RoleName.EMBEDDING, "Embed", Texts(inputs=[{"text": "x", "domain": "d" * 65}]), "inputs[0].domain"),
    (RoleName.EMBEDDING, "EmbedStream", iter([embedding.EmbedStreamRequest()]), "request"),
    (RoleName.EMBEDDING, "RouteDomains", embedding.RouteDomainsRequest(), "texts"),
    (RoleName.EMBEDDING, "ListDomains", embedding.ListDomainsRequest(page_token="damaged"), "page_token"),
    (RoleName.EMBEDDING, "ListDomains", embedding.ListDomainsRequest(page_size=1001), "page_size"),
    (RoleName.KNOWLEDGE, "LinkEntities", knowledge.LinkEntitiesRequest(), "inputs"),
    (
        RoleName.KNOWLEDGE,
        "LinkEntities",
        knowledge.LinkEntitiesRequest(inputs=[{"text": "x", "together": ["x"] * 17}]),
        "inputs[0].together",
    ),
    (RoleName.KNOWLEDGE, "LinkObjects", knowledge.LinkObjectsRequest(objects=[{}]), "objects[0].object_id"),
    (RoleName.KNOWLEDGE, "UnlinkObjects", knowledge.UnlinkObjectsRequest(), "object_ids"),
    (RoleName.KNOWLEDGE, "UnlinkObjects", knowledge.UnlinkObjectsRequest(object_ids=["d", ""]), "object_ids[1]"),
    (RoleName.KNOWLEDGE, "RetrieveEntities", knowledge.RetrieveEntitiesRequest(user_id="u", modes=[9]), "modes[0]"),  # type: ignore[list-item]
    (
        RoleName.KNOWLEDGE,
        "ListUserEntities",
        knowledge.ListUserEntitiesRequest(user_id="u", page_token="x"),
        "page_token",
    ),
    (RoleName.KNOWLEDGE, "GetEntity", knowledge.GetEntityRequest(), "entity_id"),
    (RoleName.KNOWLEDGE, "ForgetEntity", knowledge.ForgetEntityRequest(user_id="u"), "entity_id"),
    (
        RoleName.KNOWLEDGE,
        "SuppressSuggestions",
        knowledge.SuppressSuggestionsRequest(user_id="u", fingerprints=[b"short"]),
        "fingerprints[0]",
    ),
    (RoleName.KNOWLEDGE, "RetrieveEntities", knowledge.RetrieveEntitiesRequest(user_id="u", purpose=9), "purpose"),  # type: ignore[arg-type]
    (RoleName.KNOWLEDGE, "GetConsents", knowledge.GetConsentsRequest(), "user_id"),
    (RoleName.KNOWLEDGE, "SetConsents", knowledge.SetConsentsRequest(user_id="u"), "choices"),
    (RoleName.KNOWLEDGE, "SetConsents", knowledge.SetConsentsRequest(user_id="u", choices=[{}]), "choices[0].purpose"),
    (
        RoleName.KNOWLEDGE,
        "SetConsents",
        knowledge.SetConsentsRequest(user_id="u", choices=[{"purpose": 1}, {"purpose": 6}]),
        "choices[1].purpose",
    ),
    (
        RoleName.KNOWLEDGE,
        "SetConsents",
        knowledge.SetConsentsRequest(user_id="u", choices=[{"purpose": 2}, {"purpose": 2, "granted": True}]),
        "choices[1].purpose",
    ),
    (
        RoleName.KNOWLEDGE,
        "SetConsents",
        knowledge.SetConsentsRequest(user_id="u", choices=[{"purpose": 2}] * 17),
        "choices",
    ),
    (RoleName.SEARCH, "Search", search.SearchRequest(), "query"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query=" \t\n "), "query"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="\u200b"), "query"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x" * 9000), "query"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", page_size=101), "page_size"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", page_size=-1), "page_size"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", page_token="not a token"), "page_token"),
    (
        RoleName.SEARCH,
        "Search",
        search.SearchRequest(query="x", context=Context(personalization=float("nan"))),
        "context.personalization",
    ),
    (
        RoleName.SEARCH,
        "Search",
        search.SearchRequest(query="x", context=Context(turns=[Turn(), Turn(title="t" * 3000)])),
        "context.turns[1].title",
    ),
    (RoleName.SEARCH, "GetDocument", search.GetDocumentRequest(), "document_id"),
    (RoleName.SEARCH, "DeleteDocuments", search.DeleteDocumentsRequest(), "document_ids"),
    (
        RoleName.SEARCH,
        "DeleteDocuments",
        search.DeleteDocumentsRequest(document_ids=["x", "y" * 513]),
        "document_ids[1]",
    ),
    (
        RoleName.SEARCH,
        "SubmitFeedback",
        search.SubmitFeedbackRequest(request_id="r", user_id="u", document_id="d"),
        "verdict",
    ),
    (RoleName.SEARCH, "SubmitFeedback", feedback("u", verdict="relevant"), "document_id"),
    (RoleName.SEARCH, "SubmitFeedback", feedback("u", document="d", placement="pinned"), "session_id"),
    (RoleName.SEARCH, "SubmitFeedback", feedback("u", session="s", replacement="x"), "query.part"),
    (RoleName.SEARCH, "SubmitFeedback", feedback("u", session="s", part="?!"), "query.part"),
    (RoleName.SEARCH, "SubmitFeedback", feedback("u", session="s", not_about=["nothing"]), "not_about.entity_ids"),
    (
        RoleName.SEARCH,
        "SubmitFeedback",
        feedback("u", document="d", hit_token="x" * 1025, verdict="relevant"),
        "hit_token",
    ),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", rankings=["best"]), "rankings[0]"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", rankings=["plain", "plain"]), "rankings"),
    (RoleName.SEARCH, "Search", search.SearchRequest(query="x", rankings=["learned"]), "rankings[0]"),
    (RoleName.SUGGESTION, "SuggestQueries", suggestion.SuggestQueriesRequest(query="x" * 9000), "query"),
    (RoleName.SUGGESTION, "SuggestQueries", suggestion.SuggestQueriesRequest(limit=51), "limit"),
    (RoleName.SUGGESTION, "SuggestQueries", suggestion.SuggestQueriesRequest(path=8), "path"),  # type: ignore[arg-type]
    (RoleName.SUGGESTION, "StreamSuggestQueries", suggestion.StreamSuggestQueriesRequest(), "request"),
    (RoleName.SUGGESTION, "RemoveSuggestion", suggestion.RemoveSuggestionRequest(user_id="u"), "target"),
    (RoleName.SUGGESTION, "RemoveSuggestion", suggestion.RemoveSuggestionRequest(user_id="u", text=""), "text"),
    (
        RoleName.SUGGESTION,
        "RemoveSuggestion",
        suggestion.RemoveSuggestionRequest(user_id="u", all_history=False),
        "all_history",
    ),
    (
        RoleName.SUGGESTION,
        "RemoveSuggestion",
        suggestion.RemoveSuggestionRequest(user_id="u", all_history=True, entity_ids=["asyncio"]),
        "entity_ids",
    ),
    (
        RoleName.SUGGESTION,
        "RemoveSuggestion",
        suggestion.RemoveSuggestionRequest(user_id="u", text="x", entity_ids=["asyncio", ""]),
        "entity_ids[1]",
    ),
]


@pytest.mark.parametrize(
    ("role", "method", "request_message", "field"), BAD_REQUESTS, ids=[f"{case[1]}-{case[3]}" for case in BAD_REQUESTS]
)
def test_a_bad_request_is_refused_by_the_name_of_its_field(
    system: System, role: RoleName, method: str, request_message: Any, field: str
) -> None:
    assert_names(refused(lambda: rpc(system.config, role, method)(request_message)), field)


USER_REQUESTS: list[tuple[RoleName, str, Callable[[str], Any]]] = [
    (RoleName.KNOWLEDGE, "RetrieveEntities", lambda user: knowledge.RetrieveEntitiesRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "ListUserEntities", lambda user: knowledge.ListUserEntitiesRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "GetUserProfile", lambda user: knowledge.GetUserProfileRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "ExportUser", lambda user: knowledge.ExportUserRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "ForgetUser", lambda user: knowledge.ForgetUserRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "ForgetEntity", lambda user: knowledge.ForgetEntityRequest(user_id=user, entity_id="e")),
    (RoleName.KNOWLEDGE, "SuppressSuggestions", lambda user: knowledge.SuppressSuggestionsRequest(user_id=user)),
    (RoleName.KNOWLEDGE, "GetConsents", lambda user: knowledge.GetConsentsRequest(user_id=user)),
    (
        RoleName.KNOWLEDGE,
        "SetConsents",
        lambda user: knowledge.SetConsentsRequest(user_id=user, choices=[{"purpose": 1}]),
    ),
    (
        RoleName.KNOWLEDGE,
        "GetSuppressedSuggestions",
        lambda user: knowledge.GetSuppressedSuggestionsRequest(user_id=user),
    ),
    (RoleName.SEARCH, "Search", lambda user: search.SearchRequest(query="x", user_id=user)),
    (
        RoleName.SEARCH,
        "SubmitFeedback",
        lambda user: search.SubmitFeedbackRequest(request_id="r", user_id=user, document_id="d", verdict=1),  # type: ignore[arg-type]
    ),
    (RoleName.SUGGESTION, "SuggestQueries", lambda user: suggestion.SuggestQueriesRequest(user_id=user)),
    (RoleName.SUGGESTION, "RemoveSuggestion", lambda user: suggestion.RemoveSuggestionRequest(user_id=user, text="t")),
]


@pytest.mark.parametrize(("role", "method", "make"), USER_REQUESTS, ids=[case[1] for case in USER_REQUESTS])
@pytest.mark.parametrize("user", ["team/ada", "a\x00b", "a" * 129], ids=["slash", "control", "long"])
def test_an_impossible_user_id_is_refused_wherever_one_is_given(
    system: System, role: RoleName, method: str, make: Callable[[str], Any], user: str
) -> None:
    refusal = refused(lambda: rpc(system.config, role, method)(make(user)))
    assert_names(refusal, "user_id")
    assert "slash" in refusal.sentence


def test_a_text_that_cannot_be_embedded_leaves_its_neighbours_unharmed(system: System) -> None:
    embed = rpc(system.config, RoleName.EMBEDDING, "Embed")
    alone = embed(texts("first", "last"))
    mixed = embed(texts("first", "", " \t\n", "word " * 400_000, "last"))
    assert [each.HasField("error") for each in mixed.items] == [False, True, True, True, False]
    assert mixed.vectors.shape == [2, 384]
    assert mixed.vectors.data == alone.vectors.data
    empty, blank, huge = mixed.items[1:4]
    assert all(each.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0] for each in (empty, blank, huge))
    assert "the text is empty" in empty.error.message
    assert "the text is empty" in blank.error.message
    assert "2000000 bytes" in huge.error.message
    assert "1048576" in huge.error.message


def test_an_unknown_domain_is_told_which_ones_there_are(system: System) -> None:
    inputs = [{"text": "x"}, {"text": "x", "domain": "cooking"}]
    answer = rpc(system.config, RoleName.EMBEDDING, "Embed")(Texts(inputs=inputs))
    assert answer.items[0].domain == "general"
    assert "'cooking'" in answer.items[1].error.message
    assert "general" in answer.items[1].error.message


def test_only_bad_texts_make_an_answer_without_rows(system: System) -> None:
    answer = rpc(system.config, RoleName.EMBEDDING, "Embed")(texts("", " "))
    assert answer.vectors.shape == [0, 384]
    assert answer.vectors.data == b""


def test_a_long_text_is_cut_and_says_so_or_is_refused_where_asked(system: System) -> None:
    embed = rpc(system.config, RoleName.EMBEDDING, "Embed")
    cut = embed(texts("word " * 1000)).items[0]
    assert (cut.truncated, cut.token_count) == (True, 256)
    assert embed(texts("word " * 1000, refuse_long=True)).items[0].HasField("error")


def test_a_message_that_is_too_large_is_refused_by_the_server(system: System) -> None:
    channel = grpc.insecure_channel(
        system.config.address(RoleName.EMBEDDING), options=[("grpc.max_send_message_length", -1)]
    )
    call = channel.unary_unary("/attune.embedding.v1.EmbeddingService/Embed")
    message = texts("x" * (17 << 20)).SerializeToString()
    assert refused(lambda: call(message, timeout=30)).code is grpc.StatusCode.RESOURCE_EXHAUSTED


BROKEN = {
    "invalid UTF-8": b"\x0a\x02\xff\xfe",
    "not protobuf": b"\xff\xff\xff\xff",
    "cut short": search.SearchRequest(query="cut in the middle").SerializeToString()[:-3],
}


def test_bytes_that_are_no_message_harm_nobody_else(client: Client, system: System) -> None:
    channel = grpc.insecure_channel(system.config.address(RoleName.SEARCH))
    call = channel.unary_unary("/attune.search.v1.SearchService/Search")
    for data in BROKEN.values():
        assert refused(lambda data=data: call(data, timeout=5)).code is not grpc.StatusCode.UNAVAILABLE
        assert len(client.search(QUERY).hits) == 10


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_bytes_that_are_no_message_get_a_status_and_the_server_goes_on(
    client: Client, system: System, data: bytes
) -> None:
    channel = grpc.insecure_channel(system.config.address(RoleName.SEARCH))
    refusal = refused(lambda: channel.unary_unary("/attune.search.v1.SearchService/Search")(data, timeout=5))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "UNREADABLE_REQUEST"
    assert "UTF-8" in refusal.sentence
    assert len(client.search(QUERY).hits) == 10


def test_a_stream_that_turns_unreadable_gets_a_status_and_the_server_goes_on(client: Client, system: System) -> None:
    good = search.IndexDocumentsRequest(document={"document_id": "before", "title": "before"}).SerializeToString()
    channel = grpc.insecure_channel(system.config.address(RoleName.SEARCH))
    call = channel.stream_unary("/attune.search.v1.SearchService/IndexDocuments")
    refusal = refused(lambda: call(iter([good, b"\x0a\x04\x0a\x02\xff\xfe"]), timeout=5))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "UNREADABLE_REQUEST"
    assert len(client.search(QUERY).hits) == 10


def click(event_id: str, at: datetime = NOW, **fields: Any) -> InteractionEvent:
    made = interaction("bad-input", "click", at, object_id="asyncio.gather", event_id=event_id)
    made.MergeFrom(InteractionEvent(**fields))
    return made


def without(field: str) -> InteractionEvent:
    event = click("cleared")
    event.ClearField(field)  # type: ignore[arg-type]
    return event


BAD_EVENTS: list[tuple[InteractionEvent, str]] = [
    (click("future", datetime(2090, 1, 1, tzinfo=UTC)), "occurred_at"),
    (without("occurred_at"), "occurred_at"),
    (without("event_id"), "event_id"),
    (without("user_id"), "user_id"),
    (without("type"), "type"),
    (without("object_id"), "object_id"),
    (click("slash", user_id="a/b"), "user_id"),
    (click("tenant", tenant_id="somebody-else"), "tenant_id"),
    (click("unknown type", type=77), "type"),
    (click("attribute", attributes={"title": "t" * 5000}), "attributes[title]"),
    (interaction("u", "query", NOW), "user_query"),
    (interaction("u", "suggestion_accepted", NOW), "user_query"),
    (interaction("u", "query", NOW, query="q" * 9000), "user_query"),
    (interaction("u", "suggestion_removed", NOW), "entity_ids"),
    (interaction("u", "suggestion_removed", NOW, entity_ids=[""]), "entity_ids[0]"),
    (interaction("u", "suggestion_removed", NOW, entity_ids=["e"], query="its text"), "user_query"),
    (interaction("u", "feedback", NOW), "object_id"),
    (interaction("u", "dwell", NOW, object_id="o"), "dwell_ms"),
    (interaction("u", "dwell", NOW, object_id="o", dwell_ms=10**9), "dwell_ms"),
]


@pytest.mark.parametrize(("event", "field"), BAD_EVENTS, ids=[case[1] for case in BAD_EVENTS])
def test_a_bad_event_is_refused_by_its_place_and_its_neighbours_count(
    client: Client, event: InteractionEvent, field: str
) -> None:
    answer = client.record([click("before"), event, click("after")])
    assert (answer.accepted, answer.rejected_count) == (2, 1)
    (rejected,) = answer.rejected
    assert (rejected.index, rejected.event_id, rejected.field) == (1, event.event_id, field)
    assert rejected.reason


def test_an_event_without_content_is_refused(client: Client, system: System) -> None:
    answer = rpc(system.config, RoleName.KNOWLEDGE, "RecordInteractions")(iter([knowledge.RecordInteractionsRequest()]))
    assert (answer.accepted, answer.rejected_count) == (0, 1)


def test_of_many_bad_events_all_are_counted_and_the_first_hundred_named(client: Client) -> None:
    answer = client.record([without("user_id")] * 150)
    assert (answer.accepted, answer.rejected_count, len(answer.rejected)) == (0, 150, 100)


def test_an_event_of_1970_counts_and_one_a_little_ahead_too(client: Client) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    record_visibly(
        client,
        [
            interaction("old", "click", datetime(1970, 1, 1, tzinfo=UTC), object_id="asyncio.gather"),
            interaction("old", "click", ahead, object_id="asyncio.gather"),
        ],
    )
    profile = client.profile("old")
    assert profile.events == 2
    assert profile.first_seen.seconds == 0


@pytest.mark.parametrize("seconds", [-(10**14), 10**14])
def test_a_time_that_no_calendar_has_is_refused_and_not_lost_later(client: Client, seconds: int) -> None:
    event = click("no calendar")
    event.occurred_at.seconds = seconds
    answer = client.record([event])
    assert (answer.accepted, answer.rejected_count) == (0, 1)
    assert answer.rejected[0].field == "occurred_at"


def test_a_page_token_of_another_query_is_refused(client: Client) -> None:
    token = client.search(QUERY, page_size=3).next_page_token
    assert_names(refused(lambda: client.search("something else", page_size=3, page_token=token)), "page_token")
    assert_names(refused(lambda: client.search(QUERY, user="ada", page_size=3, page_token=token)), "page_token")
    assert_names(refused(lambda: client.search(QUERY, page_size=3, page_token=token[:-4])), "page_token")
    assert len(client.search(QUERY, page_size=3, page_token=token).hits) == 3


def test_a_page_token_of_another_user_is_refused(client: Client, system: System) -> None:
    record_visibly(client, reading("pages", "asyncio.gather", "multiprocessing.Pool"))
    list_page = rpc(system.config, RoleName.KNOWLEDGE, "ListUserEntities")
    token = list_page(knowledge.ListUserEntitiesRequest(user_id="pages", page_size=1)).next_page_token
    stolen = knowledge.ListUserEntitiesRequest(user_id="another", page_size=1, page_token=token)
    assert_names(refused(lambda: list_page(stolen)), "page_token")


def test_a_query_of_signs_alone_is_still_a_query(client: Client) -> None:
    assert client.search("?!").hits
    assert client.search("🙂").hits
    assert client.search("x " * 4000).hits  # 8,000 bytes: just within


BAD_DOCUMENTS: list[tuple[search.Document, str]] = [
    (search.Document(document_id="bad"), "document.text"),
    (search.Document(document_id="bad", title=" ", text="\n"), "document.text"),
    (search.Document(document_id="bad", title="\u200b"), "document.text"),
    (search.Document(document_id="b" * 513, title="t"), "document.document_id"),
    (search.Document(title="t"), "document.document_id"),
    (search.Document(document_id="bad", text="x" * 2_000_000), "document.text"),
    (search.Document(document_id="bad", title="t", domain="d" * 65), "document.domain"),
    (search.Document(document_id="bad", title="t", attributes={"a": "v" * 5000}), "document.attributes[a]"),
]


@pytest.mark.parametrize(("document", "field"), BAD_DOCUMENTS, ids=[case[1] for case in BAD_DOCUMENTS])
def test_a_bad_document_is_refused_by_its_place(client: Client, document: search.Document, field: str) -> None:
    answer = client.index([document])
    assert (answer.indexed, answer.unchanged, answer.rejected_count) == (0, 0, 1)
    (rejected,) = answer.rejected
    assert (rejected.index, rejected.document_id, rejected.field) == (0, document.document_id, field)
    assert rejected.reason


def test_one_bad_document_among_many_costs_only_itself(client: Client) -> None:
    many = [
        search.Document(document_id=f"many-{number}", title=f"number {number}", domain="many") for number in range(200)
    ]
    del many[120:121]
    many.insert(120, search.Document(document_id="many-120", domain="many"))
    answer = client.index(many)
    assert (answer.indexed, answer.rejected_count) == (199, 1)
    assert (answer.rejected[0].index, answer.rejected[0].document_id) == (120, "many-120")
    assert client.index(many).unchanged == 199
    assert client.delete([each.document_id for each in many]) == 199


def test_what_is_not_there_is_not_found(system: System) -> None:
    document = rpc(system.config, RoleName.SEARCH, "GetDocument")
    entity = rpc(system.config, RoleName.KNOWLEDGE, "GetEntity")
    for refusal, field in (
        (refused(lambda: document(search.GetDocumentRequest(document_id="nowhere"))), "document_id"),
        (refused(lambda: entity(knowledge.GetEntityRequest(entity_id="nowhere"))), "entity_id"),
    ):
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert refusal.sentence.startswith(f"{field}: ")
        assert "'nowhere'" in refusal.sentence


def test_a_language_model_that_is_not_configured_cannot_be_asked_for(system: System) -> None:
    wanted = suggestion.SuggestQueriesRequest(query="x", path=suggestion.SUGGESTION_PATH_LLM)
    streamed = suggestion.StreamSuggestQueriesRequest(request=wanted)
    for method, request in (("SuggestQueries", wanted), ("StreamSuggestQueries", streamed)):
        call = rpc(system.config, RoleName.SUGGESTION, method)
        refusal = refused(lambda call=call, request=request: call(request))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_LLM")
        assert refusal.sentence.startswith("path: ")
        assert "ATTUNE_LLM_BASE_URL" in refusal.sentence


def test_a_method_that_does_not_exist_is_unimplemented(system: System) -> None:
    channel = grpc.insecure_channel(system.config.address(RoleName.SEARCH))
    call = channel.unary_unary("/attune.search.v1.SearchService/Nothing")
    assert refused(lambda: call(b"", timeout=5)).code is grpc.StatusCode.UNIMPLEMENTED


def test_a_suggestion_is_not_counted_against_ids_that_the_catalog_does_not_have(client: Client) -> None:
    removed = client.remove_suggestion("eve", "what to do next", entity_ids=["nosuch", "asyncio", "asyncio"])
    assert list(removed.entity_ids) == ["asyncio"]
    assert list(client.remove_suggestion("eve", "what to do then", entity_ids=["nosuch"]).entity_ids) == []
