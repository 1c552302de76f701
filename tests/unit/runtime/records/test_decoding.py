"""Records as producers send them: each format is taken, and what is unknown or contradicts itself is refused."""

import json
from datetime import UTC, datetime

import pytest
from google.protobuf.json_format import MessageToJson

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, InteractionEvent
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.records.decoding import decode
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

NOW = datetime(2026, 11, 3, tzinfo=UTC)
KEY = b"acme/ada"
JSON = ("content-type", b"application/json")
FRAME = b"\x00\x00\x00\x00\x2a"
Headers = tuple[tuple[str, bytes], ...]


def click(**changes: object) -> InteractionEvent:
    values = {"tenant_id": "acme", "user_id": "ada", "event_id": "e1", "type": EVENT_TYPE_CLICK, "object_id": "d1"}
    made = InteractionEvent(**(values | changes))  # type: ignore[arg-type]
    made.occurred_at.FromDatetime(NOW)
    return made


def record(value: bytes, *headers: tuple[str, bytes], key: bytes = KEY) -> Record:
    return Record(TOPIC, 0, 0, 0, key, value, headers)


def refused(value: bytes, *headers: tuple[str, bytes], key: bytes = KEY) -> tuple[Reason, str]:
    with pytest.raises(InvalidRecordError) as caught:
        decode(record(value, *headers, key=key))
    return caught.value.reason, str(caught.value)


BINARY = click().SerializeToString()
TEXT = MessageToJson(click()).encode()
SNAKE = (
    MessageToJson(click(), preserving_proto_field_name=True, indent=None).replace("EVENT_TYPE_CLICK", "click").encode()
)
UBI = json.dumps(
    {
        "action_name": "click",
        "user_id": "ada",
        "timestamp": NOW.isoformat(),
        "event_attributes": {"event_id": "e1", "tenant_id": "acme", "object": {"object_id": "d1"}},
    }
).encode()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (BINARY, ()),
        (BINARY, to_entry(click()).headers),
        (BINARY, (("Content-Type", b"application/x-protobuf"),)),
        (BINARY, (("ce_dataschema", b"https://example.com/protos/attune/events/v1/events.proto"),)),
        (BINARY, (("unrelated", b"\xff"),)),
        (FRAME + b"\x00" + BINARY, ()),
        (FRAME + b"\x02\x00" + BINARY, ()),
        (TEXT, (JSON,)),
        (SNAKE, (JSON,)),
        (b"\xef\xbb\xbf" + TEXT, (JSON,)),
        (FRAME + TEXT, (JSON,)),
        (TEXT, (JSON, ("ce_type", b"attune.events.v1.InteractionEvent"))),
        (UBI, (JSON,)),
        (FRAME + UBI, (("content-type", b"application/json; charset=utf-8"),)),
        (UBI, (("ce_type", b"org.opensearch.ubi.event.v1"),)),
        (UBI, (JSON, ("ce_dataschema", b"https://o19s.github.io/ubi/schema/1.3.0/event.schema.json"))),
    ],
)
@pytest.mark.parametrize("key", [KEY, b""])
def test_every_format_says_the_same(value: bytes, headers: Headers, key: bytes) -> None:
    assert decode(record(value, *headers, key=key)) == click()


def test_key_and_id_complete_an_event_that_leaves_them_out() -> None:
    value = click(tenant_id="", user_id="", event_id="").SerializeToString()
    assert decode(record(value, ("ce_id", b"e1"))) == click()


def test_a_field_that_a_later_version_added_is_no_reason_to_refuse_a_protobuf_event() -> None:
    assert decode(record(BINARY + b"\xfa\x7f\x01x")).event_id == "e1"


@pytest.mark.parametrize(
    "header",
    [
        ("ce_type", b"attune.events.v2.InteractionEvent"),
        ("ce_type", b"\xff"),
        ("ce_specversion", b"2.0"),
        ("ce_dataschema", b"https://example.com/protos/attune/events/v2/events.proto"),
        ("ce_dataschema", b"https://o19s.github.io/ubi/schema/2.0.0/event.schema.json"),
        ("content-type", b"application/cloudevents+json"),
        ("content-type", b"text/plain"),
        ("ce_type", b"org.opensearch.ubi.event.v1"),
    ],
)
def test_an_unknown_schema_is_refused_and_named_by_its_header(header: tuple[str, bytes]) -> None:
    protobuf = ("content-type", b"application/protobuf")
    headers = (header,) if header[0] == "content-type" else (protobuf, header)
    reason, sentence = refused(BINARY, *headers)
    assert reason is Reason.UNKNOWN_SCHEMA
    assert header[0] in sentence or "content-type" in sentence


@pytest.mark.parametrize(
    "value",
    [
        b'{"event_id": "e1"}',
        b'{"type": "click", "action_name": "click"}',
        b'{"type": "dance"}',
        b'{"type": 99}',
        b'{"action_name": "ponder"}',
    ],
)
def test_json_of_no_known_kind_is_refused(value: bytes) -> None:
    assert refused(value, JSON)[0] is Reason.UNKNOWN_SCHEMA


def test_a_kind_of_event_that_a_later_version_added_is_refused() -> None:
    assert refused(click(type=99).SerializeToString())[0] is Reason.UNKNOWN_SCHEMA


def test_another_message_of_a_registered_file_is_refused() -> None:
    assert refused(FRAME + b"\x02\x02" + BINARY)[0] is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xff\xff", ()),
        (TEXT, ()),
        (b"\x00\x00\x00", ()),
        (FRAME, ()),
        (b"\x00", (JSON,)),
        (BINARY, (JSON,)),
        (b"", (JSON,)),
        (b"[]", (JSON,)),
        (b"null", (JSON,)),
        (b'{"type": "click", "user_id": "\xff"}', (JSON,)),
        (b'{"type": "click", "position": NaN}', (JSON,)),
        (b'{"type": "click", "no_such_field": 1}', (JSON,)),
        (b'{"type": "click", "attributes": {"a": {}}}', (JSON,)),
        (b"[" * 100_000, (JSON,)),
        (b'{"type":' * 100_000, (JSON,)),
        (b'{"type": "click", "position": ' + b"9" * 5000 + b"}", (JSON,)),
        (BINARY, (("ce_id", b"\xff"),)),
    ],
)
def test_what_cannot_be_decoded_is_malformed(value: bytes, headers: Headers) -> None:
    assert refused(value, *headers)[0] is Reason.MALFORMED


@pytest.mark.parametrize("key", [b"acme/bea", b"other/ada", b"acme", b"/ada", b"acme/", b"\xff/ada"])
def test_a_key_that_is_not_the_events_is_a_conflict(key: bytes) -> None:
    assert refused(BINARY, key=key)[0] is Reason.CONFLICT


def test_an_id_that_is_not_the_events_is_a_conflict() -> None:
    assert refused(BINARY, ("ce_id", b"e2")) == (Reason.CONFLICT, "event_id: is not ce_id")


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b'{"type": "click", "secret": "secret"}', (JSON,)),
        (b'{"type": "secret"}', (JSON,)),
        (b'{"action_name": "secret", "user_id": "secret"}', (JSON,)),
        (b'{"action_name": "click", "timestamp": "secret"}', (JSON,)),
        (b"secret", ()),
        (BINARY, (("ce_type", b"secret"),)),
        (click(user_id="secret").SerializeToString(), ()),
    ],
)
def test_a_reason_holds_nothing_of_the_content(value: bytes, headers: Headers) -> None:
    assert "secret" not in refused(value, *headers)[1]
