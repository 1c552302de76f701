"""UBI events as InteractionEvents: the mapping that docs/contracts.md has."""

from datetime import UTC, datetime
from typing import Any

import pytest

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.records.ubi import KINDS, event_of_ubi
from attune.services.runtime.validation import Validation

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def ubi(action: str = "click", **changes: Any) -> dict[str, Any]:
    """As the schema's example has it."""
    return {
        "application": "primary-search",
        "action_name": action,
        "query_id": "q1",
        "session_id": "s1",
        "client_id": "browser",
        "user_id": "ada",
        "timestamp": "2026-11-03T00:00:00Z",
        "message_type": "QUERY",
        "message": "how to wait",
        "event_attributes": {
            "object": {"object_id": "d1", "object_id_field": "isbn", "title": "Waiting"},
            "position": {"ordinal": 3},
            "dwell_ms": 1200,
        },
    } | changes


def test_a_click_is_mapped_field_by_field() -> None:
    expected = InteractionEvent(
        user_id="ada",
        session_id="s1",
        client_id="browser",
        query_id="q1",
        event_id="e1",
        type="EVENT_TYPE_CLICK",
        object_id="d1",
        position=3,
        dwell_ms=1200,
        attributes={"title": "Waiting"},
    )
    expected.occurred_at.FromDatetime(NOW)
    assert event_of_ubi(ubi(), "e1") == expected


@pytest.mark.parametrize("action", KINDS)
def test_every_action_makes_a_valid_event(action: str) -> None:
    fields = ubi(action)
    if action == "feedback":
        fields["event_attributes"]["verdict"] = "irrelevant"
    event = event_of_ubi(fields, "e1")
    assert Validation().violations(event) == []
    with_words = {"search", "query", "reformulation", "suggestion_accepted", "statement"}
    assert event.user_query == ("how to wait" if action in with_words else "")


def test_tokens_and_origin_are_kept() -> None:
    fields = ubi("click")
    named = {"search_token": "t1", "suggestion_token": "t2", "origin": "simulated"}
    fields["event_attributes"] |= named | {"other": "left out"}
    assert dict(event_of_ubi(fields, "").attributes) == {"title": "Waiting"} | named


@pytest.mark.parametrize("action", ["purchase", "add_to_cart"])
def test_who_takes_a_thing_has_judged_it(action: str) -> None:
    event = event_of_ubi(ubi(action), "")
    assert EventType.Name(event.type) == "EVENT_TYPE_FEEDBACK"
    assert event.attributes["verdict"] == "relevant"


def test_every_kind_of_event_can_be_said_in_ubi_but_removals_which_are_rpcs() -> None:
    others = {"EVENT_TYPE_UNSPECIFIED", "EVENT_TYPE_SUGGESTION_REMOVED"}
    assert {EventType.Name(kind) for kind in KINDS.values()} == set(EventType.keys()) - others


def test_an_event_without_an_id_gets_that_of_its_content() -> None:
    again = dict(reversed(ubi().items()))
    assert event_of_ubi(ubi(), "").event_id == event_of_ubi(again, "").event_id
    assert event_of_ubi(ubi(), "").event_id != event_of_ubi(ubi(query_id="q2"), "").event_id


@pytest.mark.parametrize("timestamp", ["2026-11-03T01:00:00+01:00", "2026-11-03T00:00:00.000Z", 1_793_664_000_000])
def test_a_time_may_be_in_any_zone_or_in_milliseconds(timestamp: object) -> None:
    assert event_of_ubi(ubi(timestamp=timestamp), "").occurred_at.ToDatetime(UTC) == NOW


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": "2026-11-03T00:00:00"}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": 10**30}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+23:00"}, "timestamp"),
        ({"user_id": 7}, "user_id"),
        ({"query_id": ["q"]}, "query_id"),
        ({"event_attributes": []}, "event_attributes"),
        ({"event_attributes": {"object": "d1"}}, "object"),
        ({"event_attributes": {"object": {"object_id": True}}}, "object_id"),
        ({"event_attributes": {"position": {"ordinal": -1}}}, "ordinal"),
        ({"event_attributes": {"position": {"ordinal": 2**32}}}, "ordinal"),
        ({"event_attributes": {"dwell_ms": "long"}}, "dwell_ms"),
    ],
)
def test_a_field_of_another_type_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecordError, match=f"^{field}: ") as caught:
        event_of_ubi(ubi(**changes), "")
    assert caught.value.reason is Reason.INVALID


def test_an_object_id_may_be_a_number_and_fields_may_be_null() -> None:
    event = event_of_ubi(ubi(session_id=None, event_attributes={"object": {"object_id": 123}, "position": None}), "")
    assert (event.object_id, event.session_id, event.HasField("position")) == ("123", "", False)
