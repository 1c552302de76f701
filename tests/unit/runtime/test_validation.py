"""Validation: the rules of the .proto files, told with the path of the field."""

import pytest

from attune.embedding.v1.embedding_pb2 import EmbedRequest, TextInput
from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, EVENT_TYPE_DWELL, EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge.v1.knowledge_pb2 import ForgetEntityRequest, GetUserProfileRequest
from attune.knowledge_store.catalog_lines import MOST_ID_CHARACTERS
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.validation import Validation


def event(**fields: object) -> InteractionEvent:
    made = InteractionEvent(**({"user_id": "ada", "event_id": "e", "type": EVENT_TYPE_QUERY} | fields))  # type: ignore[arg-type]
    made.occurred_at.seconds = 1
    return made


def fields_of(message) -> list[str]:
    return [each.field for each in Validation().violations(message)]


def test_a_valid_message_passes() -> None:
    Validation().check(event(user_query="gather"))


@pytest.mark.parametrize("user_id", ["a/b", "a\nb", "x" * 129, "", "\x7f"])
def test_a_user_id_that_cannot_be_a_key_is_refused(user_id: str) -> None:
    with pytest.raises(ServiceError, match="user_id") as refused:
        Validation().check(GetUserProfileRequest(user_id=user_id))
    assert refused.value.violations[0].field == "user_id"


def test_ids_in_any_script_are_fine() -> None:
    assert fields_of(GetUserProfileRequest(user_id="ада@例え.jp #1")) == []


@pytest.mark.parametrize("character", ["x", "ж", "🇩"])
def test_an_entity_that_a_catalog_may_have_can_be_named(character: str) -> None:
    longest = character * MOST_ID_CHARACTERS
    assert fields_of(ForgetEntityRequest(user_id="ada", entity_id=longest)) == []
    assert fields_of(ForgetEntityRequest(user_id="ada", entity_id=longest + character)) == ["entity_id"]


def test_repeated_fields_are_told_with_their_index() -> None:
    request = EmbedRequest(inputs=[TextInput(text="fine"), TextInput(text="x", domain="d" * 65)])
    assert fields_of(request) == ["inputs[1].domain"]


def test_an_event_says_what_its_kind_needs() -> None:
    assert fields_of(event()) == ["user_query"]
    assert fields_of(event(type=EVENT_TYPE_CLICK)) == ["object_id"]
    assert fields_of(event(type=EVENT_TYPE_DWELL, object_id="d")) == ["dwell_ms"]


def test_all_violations_are_told_at_once() -> None:
    with pytest.raises(ServiceError) as refused:
        Validation().check(InteractionEvent(type=EVENT_TYPE_QUERY))
    assert {each.field for each in refused.value.violations} == {"user_id", "event_id", "occurred_at", "user_query"}
