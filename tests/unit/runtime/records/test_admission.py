"""Size, tenant, rules and clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, InteractionEvent
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.framing import entry_bytes
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.validation import Validation

NOW = datetime(2026, 11, 3, tzinfo=UTC)
VALIDATION = Validation()


def record(event: InteractionEvent, at: datetime = NOW) -> Record:
    entry = to_entry(event)
    return Record(TOPIC, 0, 0, int(at.timestamp() * 1000), entry.key, entry.value, entry.headers)


def click(tenant: str = "acme", **changes: object) -> InteractionEvent:
    values = {"user_id": "ada", "event_id": "e1", "type": EVENT_TYPE_CLICK, "object_id": "d1"}
    made = InteractionEvent(tenant_id=tenant, **(values | changes))  # type: ignore[arg-type]
    made.occurred_at.FromDatetime(NOW)
    return made


def refused(admission: Admission, given: Record) -> tuple[Reason, str]:
    with pytest.raises(InvalidRecordError) as caught:
        admission.event(given, VALIDATION)
    return caught.value.reason, str(caught.value)


def test_an_event_of_just_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    given = record(click())
    size = entry_bytes(given.key, given.value, given.headers)
    assert Admission(max_event_bytes=size).event(given, VALIDATION) == click()
    assert refused(Admission(max_event_bytes=size - 1), given)[0] is Reason.TOO_LARGE


def test_tenants_are_those_of_the_tokens_and_any_without(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"secret": "acme", "another": "acme"}))
    admission = Admission.of(Config(tokens_file=tokens))
    assert admission.event(record(click()), VALIDATION).tenant_id == "acme"
    assert refused(admission, record(click("other")))[0] is Reason.UNKNOWN_TENANT
    assert Admission.of(Config()).event(record(click("other")), VALIDATION).tenant_id == "other"


def test_the_clock_is_the_logs() -> None:
    assert refused(Admission(), record(click(), NOW - timedelta(hours=1)))[1].startswith("occurred_at: ")


@pytest.mark.parametrize("timestamp_ms", [-1, 2**62])
def test_a_record_without_a_time_is_refused(timestamp_ms: int) -> None:
    entry = to_entry(click())
    given = Record(TOPIC, 0, 0, timestamp_ms, entry.key, entry.value, entry.headers)
    assert refused(Admission(), given)[0] is Reason.MALFORMED


def test_the_name_of_an_attribute_is_content_and_stays_out_of_the_reason() -> None:
    reason, sentence = refused(Admission(), record(click(attributes={"my secret": "x" * 5000})))
    assert reason is Reason.INVALID
    assert sentence.startswith("attributes: ")
    assert "secret" not in sentence
