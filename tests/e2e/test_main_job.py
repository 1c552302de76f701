"""The main job: events in, a ranking and suggestions for this user out, and nothing left of a forgotten one."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from tests.e2e.conftest import exported, record_visibly, wait_until
from tests.e2e.material import QUERY, TEXTS, documents, reading

from attune.events.v1.events_pb2 import EVENT_TYPE_FEEDBACK, InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.search.v1 import search_pb2
from attune.services.cli.system import System
from attune.services.client import Client, event_record
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import TOPIC

pytestmark = pytest.mark.e2e


def titles(client: Client, user: str = "", **options: object) -> list[str]:
    return [hit.document.title for hit in client.search(QUERY, user=user, **options).hits]  # type: ignore[arg-type]


def test_two_users_see_the_same_query_ranked_for_each_of_them(client: Client) -> None:
    record_visibly(client, reading("main-ada", "asyncio.Queue", "asyncio.timeout", "asyncio.Queue"))
    record_visibly(client, reading("main-bea", "multiprocessing.Queue", "multiprocessing.shared_memory"))
    assert titles(client, "main-ada")[0] == "asyncio.gather"
    assert titles(client, "main-bea")[0] == "multiprocessing.Pool"
    assert sorted(titles(client, "main-ada")) == sorted(titles(client, "main-bea")) == sorted(titles(client))


def test_a_hit_says_why_it_stands_where_it_stands(client: Client) -> None:
    record_visibly(client, reading("main-cleo", *["asyncio.timeout"] * 4))
    hit = client.search(QUERY, user="main-cleo").hits[0]
    assert hit.document.title == "asyncio.gather"
    assert hit.explanation.summary.startswith("because you read about asyncio 4 times, last on ")
    assert sum(part.contribution for part in hit.explanation.parts) == pytest.approx(hit.score)


def test_personalization_can_be_turned_off_and_is_off_for_strangers(client: Client) -> None:
    record_visibly(client, reading("main-dora", *["multiprocessing.Queue"] * 3))
    plain = titles(client)
    assert titles(client, "main-dora") != plain
    assert titles(client, "main-dora", context=Context(personalization=0)) == plain
    assert titles(client, "a stranger") == plain


@pytest.mark.parametrize("query", [QUERY, "asyncio.gather", "queue", "work for processes", "nothing of the kind"])
def test_without_personalization_a_known_user_gets_what_an_unknown_one_gets(client: Client, query: str) -> None:
    """Order, scores and every part of them, page by page, whatever the user is in the middle of."""
    record_visibly(client, reading("main-dora2", *["multiprocessing.Queue"] * 3, *["asyncio.Queue"] * 2))
    turns = [Turn(query="how do I share memory", title="multiprocessing", text="Processes instead of threads.")]

    def read(user: str, context: Context | None) -> list[object]:
        first = client.search(query, user=user, context=context, page_size=4)
        second = client.search(query, user=user, context=context, page_size=4, page_token=first.next_page_token)
        assert not first.personalization.applied
        assert first.personalization.weight == 0
        return [
            (hit.document.document_id, hit.score, hit.explanation.SerializeToString(deterministic=True))
            for hit in [*first.hits, *second.hits]
        ]

    off = read("main-dora2", Context(session_id="s", turns=turns, personalization=0))
    assert len(off) == 8
    assert off == read("never seen", Context(session_id="t"))
    assert off == read("", None)


def test_suggestions_come_from_what_the_user_knows(client: Client) -> None:
    record_visibly(client, reading("main-emil", *["asyncio.Queue"] * 3))
    answer = client.suggest(QUERY, user="main-emil")
    assert 0 < len(answer.suggestions) <= 5
    assert any("asyncio" in each.text for each in answer.suggestions)
    assert all(each.rationale for each in answer.suggestions)
    assert answer.fallback_reason == ""


def test_a_removed_suggestion_does_not_come_back(client: Client) -> None:
    record_visibly(client, reading("finn", *["asyncio.Queue"] * 3))
    first = client.suggest(QUERY, user="finn").suggestions[0].text
    client.remove_suggestion("finn", first.upper())
    assert first not in [each.text for each in client.suggest(QUERY, user="finn").suggestions]


def evidence(client: Client, user: str) -> dict[str, tuple[int, float]]:
    """Of each entity the removals that count against it, and the weight."""
    return {
        each.entity_id: (
            each.evidence.counts.get("suggestion_removed/suggestion", 0),
            pytest.approx(each.evidence.weight, abs=0.01),
        )
        for each in client.entities(user)
    }


def test_a_removed_suggestion_counts_once_against_what_it_was_about(client: Client) -> None:
    record_visibly(client, reading("nia", *["multiprocessing.Pool"] * 2))
    before = {each.entity_id: each.evidence.weight for each in client.entities("nia")}
    shown = next(each for each in client.suggest(QUERY, user="nia", limit=50).suggestions if each.entity_ids)
    (about,) = shown.entity_ids
    for _ in range(2):  # a caller that repeats itself
        assert client.remove_suggestion("nia", shown.text, entity_ids=shown.entity_ids).entity_ids == [about]
    wait_until(lambda: client.profile("nia").events == 3)
    record_visibly(client, reading("nobody", "csv.reader"))
    assert client.profile("nia").events == 3
    expected = {each: (int(each == about), before.get(each, 0) - (each == about)) for each in {*before, about}}
    assert evidence(client, "nia") == expected


def test_a_suggestion_without_ids_counts_against_what_its_text_names(client: Client) -> None:
    removed = client.remove_suggestion("oli", "asyncio and multiprocessing")
    assert sorted(removed.entity_ids) == ["asyncio", "multiprocessing"]
    wait_until(lambda: client.profile("oli").events == 1)
    assert evidence(client, "oli") == {"asyncio": (1, -0.5), "multiprocessing": (1, -0.5)}
    assert client.remove_suggestion("oli", "what next").entity_ids == []


def test_what_was_removed_is_not_suggested_in_other_words(client: Client) -> None:
    assert any(
        "asyncio" in each.entity_ids
        for each in client.suggest("asyncio and multiprocessing", user="pia", limit=50).suggestions
    )
    client.remove_suggestion("pia", "asyncio at last", entity_ids=["asyncio"])
    wait_until(lambda: client.profile("pia").events == 1)
    suggested = client.suggest("asyncio and multiprocessing", user="pia", limit=50).suggestions
    assert not any("asyncio" in each.entity_ids for each in suggested)


def test_the_store_holds_entities_and_an_export_tells_all_of_it(client: Client) -> None:
    record_visibly(client, reading("gus", "asyncio.gather", "asyncio.Queue"))
    held = {each.entity_id: each.evidence.total for each in client.entities("gus", page_size=1)}
    assert held["asyncio"] == 2
    exported = [each for each in client.export("gus") if each.WhichOneof("record") == "entity"]
    assert {each.entity.entity_id for each in exported} == set(held)


def test_repeated_events_count_once(client: Client) -> None:
    events = reading("hal", "asyncio.gather", "asyncio.Queue")
    record_visibly(client, events)
    record_visibly(client, events)
    assert client.profile("hal").events == 2


def test_what_the_system_showed_teaches_it_nothing(client: Client) -> None:
    events = reading("ivy", "asyncio.gather", "asyncio.gather")
    for event, kind in zip(events, ("IMPRESSION", "SUGGESTION_SHOWN"), strict=True):
        event.type = type(event).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[f"EVENT_TYPE_{kind}"].number
    record_visibly(client, events)
    assert list(client.entities("ivy")) == []


def test_a_forgotten_user_is_gone_and_stays_gone(client: Client, system: System) -> None:
    events = reading("jon", "asyncio.gather", "asyncio.Queue")
    events[0].user_query = "zebrafish-and-quinces"
    record_visibly(client, events)
    removed = client.forget("jon").removed
    assert (removed["events"], removed["event_log"]) == (2, 2)
    repeated = client.record(events)  # a producer that repeats itself
    assert (repeated.accepted, [each.field for each in repeated.rejected]) == (0, ["occurred_at"] * 2)
    profile = client.profile("jon")
    assert (profile.events, profile.entities) == (0, 0)
    assert [each.WhichOneof("record") for each in client.export("jon")] == ["profile"]
    files = [path for path in system.config.data_dir.rglob("*") if path.is_file()]
    assert [path for path in files if b"zebrafish-and-quinces" in path.read_bytes()] == []


def test_feedback_becomes_an_event_that_counts_once(client: Client) -> None:
    request = search_pb2.SubmitFeedbackRequest(
        request_id="r1", user_id="kim", document_id="asyncio.gather", verdict=search_pb2.VERDICT_RELEVANT
    )
    client.submit_feedback(request)
    client.submit_feedback(request)
    wait_until(lambda: client.profile("kim").events == 1)
    record_visibly(client, reading("kim", "csv.reader"))
    assert client.profile("kim").events == 2


def test_feedback_on_the_topic_does_what_the_call_does(client: Client, system: System) -> None:
    """They are the same event on the same topic: who has Kafka need not call."""
    request = search_pb2.SubmitFeedbackRequest(
        request_id="r1", user_id="caller", document_id="asyncio.gather", verdict=search_pb2.VERDICT_IRRELEVANT
    )
    client.submit_feedback(request)
    event = InteractionEvent(
        tenant_id="default",
        user_id="producer",
        event_id="r1",
        type=EVENT_TYPE_FEEDBACK,
        object_id="asyncio.gather",
        attributes={"verdict": "irrelevant"},
    )
    event.occurred_at.GetCurrentTime()
    key, value, headers = event_record(event)
    with closing(LocalEventLog(system.config.data_dir / "events")) as log:
        for _ in range(2):  # a producer that repeats itself
            log.append(TOPIC, [Entry(key, value, tuple(headers))], datetime.now(UTC))
    wait_until(lambda: [client.profile(user).events for user in ("caller", "producer")] == [1, 1])
    learned = [counts_of(client, user) for user in ("caller", "producer")]
    assert learned[0] == learned[1]
    assert learned[0]


def counts_of(client: Client, user: str) -> dict[str, dict[str, int]]:
    """What was counted of each entity."""
    return {
        each.entity.entity_id: dict(each.entity.evidence.counts)
        for each in exported(client, user)
        if each.HasField("entity")
    }


def test_documents_are_indexed_once_replaced_and_deleted(client: Client) -> None:
    again = client.index(documents())
    assert (again.indexed, again.unchanged) == (0, len(TEXTS))
    extra = search_pb2.Document(document_id="extra", title="zygote", text="A zygote.", domain="biology")
    assert client.index([extra]).indexed == 1
    assert client.search("zygote", domains=["biology"]).hits[0].document.document_id == "extra"
    extra.text = "A fertilised egg cell."
    assert client.index([extra]).indexed == 1
    assert client.search("zygote", domains=["biology"]).hits[0].document.text == "A fertilised egg cell."
    assert client.delete(["extra", "never there"]) == 1
    assert list(client.search("zygote", domains=["biology"]).hits) == []


def test_a_click_on_a_deleted_document_teaches_nothing(client: Client) -> None:
    extra = search_pb2.Document(document_id="short-lived", title="asyncio", text="All of asyncio.")
    client.index([extra])
    record_visibly(client, reading("lou", "short-lived"))
    assert client.delete(["short-lived"]) == 1
    record_visibly(client, reading("mia", "short-lived"))
    assert [each.entity_id for each in client.entities("lou")] == ["asyncio"]
    assert list(client.entities("mia")) == []


def test_pages_follow_each_other_without_overlap(client: Client) -> None:
    seen: list[str] = []
    token = ""
    while True:
        page = client.search(QUERY, page_size=3, page_token=token)
        seen += [hit.document.document_id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen))
    assert set(TEXTS) <= set(seen)


def test_retrieval_tells_how_the_user_knows_the_context(client: Client) -> None:
    record_visibly(client, reading("lea", "asyncio.Queue"))
    context = Context(turns=[Turn(title="multiprocessing.Pool")])
    found = client.retrieve("lea", query="asyncio gather", context=context)
    modes = {each.entity.entity_id: each.mode for each in found.entities}
    assert modes["asyncio"] in (knowledge.RETRIEVAL_MODE_FAMILIAR, knowledge.RETRIEVAL_MODE_UNFAMILIAR)
    assert modes["multiprocessing.Pool"] == knowledge.RETRIEVAL_MODE_UNFAMILIAR
