"""The producer helper and its example: what they make is what the worker takes."""

import importlib.util
from datetime import UTC, datetime

import pytest
from tests.unit.docs.conftest import ROOT

from attune.services.client import event_record, interaction
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.validation import Validation

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def test_its_record_is_an_event() -> None:
    event = interaction("ada", "click", NOW, object_id="d1")
    event.tenant_id = "acme"
    key, value, headers = event_record(event)
    assert key == b"acme/ada"
    assert dict(headers)["ce_id"] == event.event_id.encode()
    record = Record(TOPIC, 0, 0, int(NOW.timestamp() * 1000), key, value, tuple(headers))
    assert Admission().event(record, Validation()) == event


@pytest.mark.parametrize("field", ["tenant_id", "user_id", "event_id"])
def test_what_is_needed_for_key_and_id_is_asked_for(field: str) -> None:
    event = interaction("ada", "click", NOW, object_id="d1")
    event.tenant_id = "acme"
    event.ClearField(field)
    with pytest.raises(ValueError, match=f"^{field} is empty"):
        event_record(event)


def test_the_examples_events_are_taken() -> None:
    spec = importlib.util.spec_from_file_location("kafka_producer", ROOT / "examples/kafka_producer.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    made = list(example.events(NOW))
    assert len(made) == 2
    for event in made:
        record = event_record(event)
        given = Record(TOPIC, 0, 0, int(NOW.timestamp() * 1000), record.key, record.value, tuple(record.headers))
        assert Admission().event(given, Validation()) == event
    assert example.TOPIC == TOPIC
