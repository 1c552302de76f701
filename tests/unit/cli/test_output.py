import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.search.v1 import search_pb2 as search
from attune.services.cli.output import as_dict, print_json


def test_counts_are_numbers_wherever_they_are() -> None:
    answer = search.IndexDocumentsResponse(indexed=2, rejected_count=1)
    answer.rejected.add(index=130, document_id="7", field="title")
    assert as_dict(answer) == {
        "indexed": 2,
        "rejected_count": 1,
        "rejected": [{"index": 130, "document_id": "7", "field": "title"}],
    }


def test_counts_in_maps_and_in_nested_messages_are_numbers() -> None:
    assert as_dict(knowledge.ForgetUserResponse(removed={"events": 31})) == {"removed": {"events": 31}}
    entity = knowledge.UserEntity(
        entity_id="7", evidence=knowledge.EntityEvidence(total=3, counts={"click/document": 3}, weight=0.5)
    )
    assert as_dict(entity) == {
        "entity_id": "7",
        "evidence": {"total": 3, "counts": {"click/document": 3}, "weight": 0.5},
    }


def test_what_is_no_number_stays_as_protobuf_writes_it() -> None:
    event = InteractionEvent(event_id="1", type="EVENT_TYPE_DWELL", dwell_ms=45_000, attributes={"title": "12"})
    event.occurred_at.FromJsonString("2026-01-31T12:00:00Z")
    assert as_dict(event) == {
        "event_id": "1",
        "type": "EVENT_TYPE_DWELL",
        "dwell_ms": 45_000,
        "attributes": {"title": "12"},
        "occurred_at": "2026-01-31T12:00:00Z",
    }


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_number_that_a_double_cannot_hold_stays_a_string(count: int) -> None:
    written = as_dict(search.IndexDocumentsResponse(indexed=count)).get("indexed", 0)
    assert int(written) == count
    assert isinstance(written, int) == (count <= 2**53)


def test_one_line_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë", "counts": [1, 2]})
    written = capsys.readouterr().out
    assert json.loads(written) == {"name": "Zoë", "counts": [1, 2]}
    assert written.count("\n") == 1
