"""Seeded records for the interactions topic, right ones, and wrong ones of every sort that producers may send.

The same seed makes the same records, in whatever order and number they are asked for one after the other.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from google.protobuf.json_format import MessageToDict

from attune.events.v1 import events_pb2 as pb
from attune.services.client.events import interaction
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import log_key, to_entry, user_of
from attune.services.runtime.records.json_text import Schema
from attune.services.runtime.records.ubi import KINDS

TENANT = "acme"
NOW = datetime(2026, 11, 3, tzinfo=UTC)
"""When the log takes them all: no event is of later."""

_WORDS = ("asyncio", "threading", "queue", "naïve", "日本語", "x" * 300)
_DEEPEST = 20_000
_LARGEST = MAX_ENTRY_BYTES - 4096  # what is too large is so by ATTUNE_MAX_EVENT_BYTES, or the log would not have it
_ODD_HEADERS: tuple[tuple[str, bytes], ...] = (
    ("ce_type", b"attune.events.v2.InteractionEvent"),
    ("ce_type", b"\xff\xfe"),
    ("ce_specversion", b"0.3"),
    ("ce_dataschema", b"https://example.com/attune/events/v2/events.proto"),
    ("content-type", b"application/avro"),
    ("content-type", b"application/cloudevents+json"),
    ("ce_id", b"\xc3\x28"),
    ("ce_id", b"another event's"),
)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A record, and what must become of it."""

    kind: str
    entry: Entry
    is_event: bool | None
    """True where it must be taken, False where it must be a dead letter, None where either is right."""


def fuzzed(seed: int, number: int) -> Iterator[Fuzzed]:
    """`number` records; about half of them are right."""
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    makers = list(_MAKERS.items())
    for place in range(number):
        right = random.random() < 0.5
        kind, make = random.choice([(kind, make) for kind, make in makers if (kind in _RIGHT) == right])
        entry = make(random, _event(random, f"{seed}-{place}"))
        yield Fuzzed(kind, entry, None if kind in _EITHER else kind in _RIGHT)


def _event(random: Random, event_id: str) -> pb.InteractionEvent:
    kind = pb.EventType.Name(random.choice(sorted(set(KINDS.values()))))  # those that every format can say
    event = interaction(
        f"user-{random.randrange(50)}",
        kind.removeprefix("EVENT_TYPE_").lower(),
        NOW - timedelta(seconds=random.randrange(10**6)),
        query=random.choice(_WORDS),
        object_id=f"d{random.randrange(100)}",
        event_id=event_id,
        session_id=random.choice(("", "s1")),
        query_id=random.choice(("", "q1")),
        dwell_ms=random.randrange(86_400_000),
        position=random.choice((None, 1, 7)),
        attributes={"verdict": random.choice(("relevant", "irrelevant")), "title": random.choice(_WORDS)},
    )
    event.tenant_id = TENANT
    return event


def _plain(_: Random, event: pb.InteractionEvent) -> Entry:
    return to_entry(event)


def _bare(random: Random, event: pb.InteractionEvent) -> Entry:
    """Without headers, and perhaps without a key."""
    return replace(to_entry(event), headers=(), key=random.choice((log_key(user_of(event)), b"")))


def _framed(random: Random, event: pb.InteractionEvent) -> Entry:
    path = random.choice((b"\x00", b"\x02\x00"))
    entry = to_entry(event)
    return replace(entry, value=b"\x00" + random.randbytes(4) + path + entry.value)


def _json(random: Random, event: pb.InteractionEvent) -> Entry:
    fields = MessageToDict(event, preserving_proto_field_name=random.random() < 0.5)
    if random.random() < 0.5:
        fields["type"] = fields["type"].removeprefix("EVENT_TYPE_").lower()
    return _in_json(random, event, fields)


def _ubi(random: Random, event: pb.InteractionEvent) -> Entry:
    return _in_json(random, event, _ubi_fields(random, event), Schema.UBI)


def _ubi_fields(random: Random, event: pb.InteractionEvent) -> dict[str, Any]:
    actions = [name for name, kind in KINDS.items() if kind == event.type]
    moment = event.occurred_at.ToDatetime(UTC)
    return {
        "action_name": random.choice(actions),
        "user_id": random.choice((None, event.user_id)),
        "client_id": "fuzz",
        "query_id": event.query_id,
        "timestamp": random.choice((moment.isoformat(), int(moment.timestamp() * 1000))),
        "message": event.user_query,
        "event_attributes": {
            "object": {"object_id": random.choice((event.object_id, 7)), "title": event.attributes["title"]},
            "position": {"ordinal": random.choice((1, 24))},
            "dwell_ms": event.dwell_ms,
            "verdict": event.attributes["verdict"],
            "anything": [{"else": 1.5}],
        },
    }


def _in_json(
    random: Random, event: pb.InteractionEvent, fields: dict[str, Any], schema: Schema = Schema.INTERACTION
) -> Entry:
    """With ce_type or without: the fields tell it too."""
    value = json.dumps(fields, ensure_ascii=random.random() < 0.5).encode()
    frame = random.choice((b"", b"\x00\x00\x00\x00\x2a"))
    headers: tuple[tuple[str, bytes], ...] = (("content-type", b"application/json; charset=utf-8"),)
    if random.random() < 0.5:
        headers += (("ce_type", schema.encode()), ("ce_id", event.event_id.encode()))
    return Entry(log_key(user_of(event)), frame + value, headers)


def _flipped(random: Random, event: pb.InteractionEvent) -> Entry:
    """A few bits of the value are others."""
    entry = random.choice((_plain, _json, _ubi, _framed))(random, event)
    value = bytearray(entry.value)
    for _ in range(random.randint(1, 8)):
        value[random.randrange(len(value))] ^= 1 << random.randrange(8)
    return replace(entry, value=bytes(value))


def _truncated(random: Random, event: pb.InteractionEvent) -> Entry:
    entry = random.choice((_plain, _json, _ubi, _framed))(random, event)
    return replace(entry, value=entry.value[: random.randrange(len(entry.value))])


def _noise(random: Random, _: pb.InteractionEvent) -> Entry:
    return Entry(random.randbytes(random.randrange(40)), random.randbytes(random.randrange(400)), ())


def _odd_header(random: Random, event: pb.InteractionEvent) -> Entry:
    entry = random.choice((_plain, _json))(random, event)
    name, content = random.choice(_ODD_HEADERS)
    return replace(entry, headers=(*(each for each in entry.headers if each[0] != name), (name, content)))


def _odd_key(random: Random, event: pb.InteractionEvent) -> Entry:
    key = random.choice((b"/", b"acme", b"acme/", b"/ada", b"\xff/ada", b"acme/somebody else", b"other/user-1"))
    return replace(to_entry(event), key=key)


def _odd_frame(random: Random, event: pb.InteractionEvent) -> Entry:
    """Another message of the file, or the frame's head cut short."""
    entry = to_entry(event)
    value = random.choice((b"\x00\x00\x00\x00\x01\x02\x02" + entry.value, b"\x00\x00\x00", b"\x00\x00\x00\x00\x01"))
    return replace(entry, value=value)


def _huge(random: Random, event: pb.InteractionEvent) -> Entry:
    event.user_query = "x" * random.randrange(10_000, _LARGEST)
    return to_entry(event)


def _many_attributes(random: Random, event: pb.InteractionEvent) -> Entry:
    event.attributes.update({str(number): "x" for number in range(random.randrange(33, 2000))})
    return to_entry(event)


def _broken_rule(random: Random, event: pb.InteractionEvent) -> Entry:
    breaks: Callable[[], None] = random.choice(
        (
            lambda: event.ClearField("occurred_at"),
            lambda: event.occurred_at.FromDatetime(NOW + timedelta(hours=1)),
            lambda: setattr(event.occurred_at, "seconds", random.choice((-(2**40), 2**62))),
            lambda: setattr(event.occurred_at, "nanos", -1),
            lambda: setattr(event, "type", 0),
            lambda: setattr(event, "type", 99),
            lambda: setattr(event, "dwell_ms", 2**63),
            lambda: setattr(event, "session_id", "s" * 129),
            lambda: setattr(event, "user_id", "a/b"),
            lambda: setattr(event, "tenant_id", "a tenant"),
            lambda: setattr(event, "event_id", ""),
        )
    )
    breaks()
    return replace(to_entry(event), headers=())


def _broken_json(random: Random, event: pb.InteractionEvent) -> Entry:
    """What JSON parsers of the world differ about, or fall over."""
    depth = random.randrange(2, _DEEPEST)
    value = random.choice(
        (
            b"[" * depth,
            b'{"type":' * depth,
            b'{"attributes":' * depth + b"{}" + b"}" * depth,
            b'{"type":"click","position":' + b"9" * 5000 + b"}",
            b'{"type":"click","position":NaN}',
            b'{"type":"click","user_id":"\\ud800"}',
            b'{"type":"click","user_id":"\xff"}',
            b'{"type":"dance"}',
            b'{"type":7,"user_id":{}}',
            b'{"type":"click","action_name":"click"}',
            b'{"no":"schema"}',
            b"null",
            b'"text"',
            b"",
            json.dumps({"type": "click", "attributes": {"a": {"b": ["mixed", 1, None]}}}).encode(),
        )
    )
    return Entry(log_key(user_of(event)), value, (("content-type", b"application/json"),))


def _broken_ubi(random: Random, event: pb.InteractionEvent) -> Entry:
    odd: dict[str, Any] = random.choice(
        (
            {"action_name": "ponder"},
            {"action_name": 7},
            {"timestamp": "yesterday"},
            {"timestamp": "2026-01-31T12:00:00"},
            {"timestamp": 10**30},
            {"timestamp": True},
            {"timestamp": None},
            {"user_id": {"name": "ada"}},
            {"event_attributes": [1]},
            {"event_attributes": {"object": "d1"}},
            {"event_attributes": {"position": {"ordinal": -1}}},
            {"event_attributes": {"dwell_ms": 1.5}},
            {"event_attributes": {"tenant_id": "another"}},
        )
    )
    return _in_json(random, event, _ubi_fields(random, event) | odd, Schema.UBI)


def _wrong_media(random: Random, event: pb.InteractionEvent) -> Entry:
    """JSON that says to be protobuf, or protobuf that says to be JSON."""
    in_json = _json(random, event)
    says_protobuf = replace(in_json, value=in_json.value.lstrip(b"\x00*"), headers=())
    says_json = replace(to_entry(event), headers=(("content-type", b"application/json"),))
    return random.choice((says_protobuf, says_json))


_RIGHT = {"plain", "bare", "framed", "json", "ubi"}
_EITHER = {"flipped", "truncated", "noise"}
_MAKERS: dict[str, Callable[[Random, pb.InteractionEvent], Entry]] = {
    "plain": _plain,
    "bare": _bare,
    "framed": _framed,
    "json": _json,
    "ubi": _ubi,
    "flipped": _flipped,
    "truncated": _truncated,
    "noise": _noise,
    "odd_header": _odd_header,
    "odd_key": _odd_key,
    "odd_frame": _odd_frame,
    "huge": _huge,
    "many_attributes": _many_attributes,
    "broken_rule": _broken_rule,
    "broken_json": _broken_json,
    "broken_ubi": _broken_ubi,
    "wrong_media": _wrong_media,
}
