"""What is cleared at a glance is what protovalidate clears: no rule of the .proto is lost on the way."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import example, given
from hypothesis import strategies as st

from attune.events.v1.events_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_DWELL,
    EVENT_TYPE_FEEDBACK,
    EVENT_TYPE_QUERY,
    EVENT_TYPE_SUGGESTION_REMOVED,
    EVENT_TYPE_SUGGESTION_SHOWN,
    InteractionEvent,
)
from attune.services.runtime.plain_events import is_plain
from attune.services.runtime.validation import Validation
from buf.validate import validate_pb2

VALIDATION = Validation()
LENGTHS = (0, 1, 63, 64, 65, 127, 128, 129, 512, 513, 1024, 1025, 2048, 2049, 4096, 4097, 8192, 8193)
CHARACTERS = ("a", "Z", "0", "~", ".", " ", "/", "\n", "\t", "\0", "\x7f", "\x80", "é", "例", "🇩")

texts = st.builds(
    lambda length, character, end: (character * length)[: max(0, length - len(end))] + end[:length],
    st.sampled_from(LENGTHS),
    st.sampled_from(CHARACTERS),
    st.sampled_from(("", *CHARACTERS)),
)
short = st.text(st.sampled_from(CHARACTERS), max_size=3)
verdicts = st.sampled_from(["relevant", "irrelevant", "Relevant", ""])
attributes = st.dictionaries(st.sampled_from(["title", "", "a" * 64, "a" * 65, "é" * 64]), short | texts).flatmap(
    lambda made: st.just(made) | verdicts.map(lambda verdict: made | {"verdict": verdict})
)
many = st.sampled_from([31, 32, 33]).map(lambda count: {str(each): "" for each in range(count)})


@st.composite
def events(draw: st.DrawFn) -> InteractionEvent:
    """Mostly valid ones, with one or two fields of what is at the edge of the rules."""
    made = InteractionEvent(
        tenant_id="t", user_id="u", event_id="e", user_query="q", object_id="o", type=draw(st.integers(0, 11))
    )
    made.occurred_at.seconds = 1
    odd = draw(st.sets(st.sampled_from([each.name for each in InteractionEvent.DESCRIPTOR.fields]), max_size=3))
    for name in sorted(odd):
        field = InteractionEvent.DESCRIPTOR.fields_by_name[name]
        made.ClearField(name)
        if name == "attributes":
            made.attributes.update(draw(attributes | many))
        elif name == "entity_ids":
            made.entity_ids.extend(draw(st.lists(short | texts, max_size=2)))
        elif name == "occurred_at":
            if draw(st.booleans()):
                made.occurred_at.seconds = draw(st.sampled_from([-1, 0, 1, 253_402_300_799, 253_402_300_800, 2**62]))
                made.occurred_at.nanos = draw(st.sampled_from([-1, 0, 999_999_999, 10**9]))
        elif name == "dwell_ms":
            made.dwell_ms = draw(st.sampled_from([0, 1, 86_400_000, 86_400_001, 2**64 - 1]))
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(made, name, draw(short | texts))
    return made


@given(events())
@example(InteractionEvent())
def test_no_event_is_plain_that_breaks_a_rule(event: InteractionEvent) -> None:
    assert not (is_plain(event) and VALIDATION.violations(event))


def event(**fields: object) -> InteractionEvent:
    made = InteractionEvent(**({"tenant_id": "acme", "user_id": "ada@example.com", "event_id": "e"} | fields))  # type: ignore[arg-type]
    made.occurred_at.seconds = 1
    return made


COMMON = [
    event(type=EVENT_TYPE_QUERY, user_query="naïve café", session_id="s", attributes={"title": "x" * 500}),
    event(type=EVENT_TYPE_CLICK, object_id="d", position=3, attributes={"title": "例え"}),
    event(type=EVENT_TYPE_DWELL, object_id="d", dwell_ms=0),
    event(type=EVENT_TYPE_FEEDBACK, object_id="d", attributes={"verdict": "relevant"}),
    event(type=EVENT_TYPE_SUGGESTION_SHOWN, user_query="q"),
]


@pytest.mark.parametrize("common", COMMON)
def test_what_is_common_is_plain(common: InteractionEvent) -> None:
    assert is_plain(common)


def without() -> Iterator[tuple[str, InteractionEvent]]:
    """Each of the common events without each of its fields."""
    for common in COMMON:
        for field, _ in common.ListFields():
            made = InteractionEvent()
            made.CopyFrom(common)
            made.ClearField(field.name)
            yield field.name, made


@pytest.mark.parametrize(("missing", "event"), list(without()))
def test_an_event_that_lacks_what_it_needs_is_not(missing: str, event: InteractionEvent) -> None:
    broken = {each.field for each in VALIDATION.violations(event)}
    assert is_plain(event) == (not broken), missing


def test_entities_are_for_protovalidate() -> None:
    assert not is_plain(event(type=EVENT_TYPE_SUGGESTION_REMOVED, entity_ids=["x"]))


def limits() -> Iterator[tuple[str, int]]:
    """The strings of an event, and how long the .proto lets them be, in characters of one byte."""
    for field in InteractionEvent.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING and field.name != "entity_ids":
            rules = field.GetOptions().Extensions[validate_pb2.field].string
            yield field.name, rules.max_len or rules.max_bytes or 128  # the user's id has a rule of its own


@pytest.mark.parametrize(("field", "most"), list(limits()))
def test_a_text_that_is_too_long_is_not_plain(field: str, most: int) -> None:
    at_most, too_long = (
        event(type=EVENT_TYPE_SUGGESTION_SHOWN, **{field: "x" * length}) for length in (most, most + 1)
    )
    assert VALIDATION.violations(at_most) == []
    assert VALIDATION.violations(too_long) != []
    assert not is_plain(too_long)
