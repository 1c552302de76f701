"""What users say, stage by stage: as events, in the session, and refused by the field that is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_FEEDBACK, EVENT_TYPE_REFORMULATION, InteractionEvent
from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.errors import ServiceError, invalid
from attune.services.runtime.validation import Validation
from attune.services.search.feedback.memory import SessionFeedback, SessionKey, SessionMemory
from attune.services.search.feedback.submitting import FeedbackDesk, Outcome
from attune.services.search.index.port import Document

NOW = datetime(2026, 11, 3, tzinfo=UTC)
DOCUMENTS = {
    "d1": Document("d1", "Jaguars", "text", "", ("jaguar_cat", "africa")),
    "bare": Document("bare", "t", "text", ""),
}


@dataclass
class Services:
    """Links each word of a text as an entity, and refuses what it is told to."""

    catalog: frozenset[str] = frozenset({"jaguar_cat", "jaguar", "car", "africa"})
    refuses: str = ""
    recorded: list[InteractionEvent] = field(default_factory=list)

    async def record(self, *events: InteractionEvent) -> None:
        if self.refuses:
            raise invalid(self.refuses, "is refused")
        self.recorded += events

    async def linked_texts(self, texts: Sequence[str]) -> list[list[str]]:
        return [[word for word in text.lower().split() if word in self.catalog] for text in texts]

    async def known_ids(self, _user: str, entity_ids: Sequence[str]) -> list[str]:
        return [each for each in entity_ids if each in self.catalog]

    async def vectors_by_space(self, _text: str) -> dict[str, np.ndarray]:
        return {"": np.ones(2, np.float32)}


class Documents:
    def get(self, _tenant: str, document_id: str, principals: Sequence[str] | None = None) -> Document | None:
        return DOCUMENTS.get(document_id) if principals is not None else None


@dataclass
class Desk:
    services: Services = field(default_factory=Services)
    memory: SessionMemory = field(default_factory=SessionMemory)

    async def submit(self, **fields: Any) -> Outcome:
        enter_call(Call("SubmitFeedback", "acme", float("inf")))
        request = pb.SubmitFeedbackRequest(**{"request_id": "r", "user_id": "ada", "session_id": "s"} | fields)
        desk = FeedbackDesk(Documents(), self.services, self.memory, lambda: NOW)  # type: ignore[arg-type]
        return await desk.submit(request)

    def held(self) -> SessionFeedback:
        return self.memory.of(SessionKey("acme", "ada", "s"), NOW)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def valid(event: InteractionEvent) -> InteractionEvent:
    assert Validation().violations(event) == []
    return event


async def test_a_verdict_is_an_event_and_nothing_in_the_session(desk: Desk) -> None:
    made = await desk.submit(document_id="d1", verdict=pb.VERDICT_IRRELEVANT, session_id="", hit_token="t0k3n")
    assert made == Outcome(recorded=True, in_session=False)
    (event,) = map(valid, desk.services.recorded)
    assert dict(event.attributes) == {"verdict": "irrelevant", "search_token": "t0k3n"}
    assert (len(desk.memory), event.object_id) == (0, "d1")


@pytest.mark.parametrize(
    ("placement", "verdict", "value"),
    [(pb.PLACEMENT_PINNED, "relevant", "pinned"), (pb.PLACEMENT_REJECTED, "irrelevant", "rejected")],
)
async def test_a_placement_is_a_verdict_too(desk: Desk, placement: pb.Placement, verdict: str, value: str) -> None:
    made = await desk.submit(document_id="d1", placement=placement)
    assert made == Outcome(recorded=True, in_session=True)
    (event,) = map(valid, desk.services.recorded)
    assert dict(event.attributes) == {"verdict": verdict, "stage": "result", "placement": value}
    assert "d1" in (*desk.held().pinned, *desk.held().rejected)


async def test_taking_back_holds_in_the_session_and_says_nothing_to_the_log(desk: Desk) -> None:
    await desk.submit(document_id="d1", placement=pb.PLACEMENT_REJECTED)
    made = await desk.submit(request_id="r2", document_id="d1", placement=pb.PLACEMENT_NONE)
    assert made == Outcome(recorded=False, in_session=True)
    assert len(desk.services.recorded) == 1
    assert desk.held().rejected == frozenset()


async def test_a_subject_that_is_not_meant_counts_against_its_entities(desk: Desk) -> None:
    await desk.submit(not_about=pb.SubjectCorrection(entity_ids=["car", "no entity but a text", "africa"]))
    (event,) = map(valid, desk.services.recorded)
    assert list(event.entity_ids) == ["car", "africa"]
    assert dict(event.attributes) == {"verdict": "irrelevant", "stage": "subject"}
    assert desk.held().not_about == {"car", "africa"}


async def test_a_documents_subject_is_its_main_entity(desk: Desk) -> None:
    await desk.submit(document_id="d1", not_about=pb.SubjectCorrection())
    assert desk.held().not_about == {"jaguar_cat"}
    (event,) = desk.services.recorded
    assert (event.object_id, list(event.entity_ids)) == ("d1", ["jaguar_cat"])


async def test_a_part_that_is_replaced_is_a_removal_and_a_reformulation(desk: Desk) -> None:
    correction = pb.QueryCorrection(part="Jaguar car", replacement="jaguar africa")
    await desk.submit(query=correction, query_id="q1")
    removed, instead = map(valid, desk.services.recorded)
    assert (removed.type, list(removed.entity_ids), removed.object_id) == (EVENT_TYPE_FEEDBACK, ["car"], "")
    assert dict(removed.attributes) == {"verdict": "irrelevant", "stage": "query"}
    assert (instead.type, instead.user_query) == (EVENT_TYPE_REFORMULATION, "jaguar africa")
    assert instead.previous_query_id == "q1"
    assert instead.event_id != removed.event_id
    (part,) = desk.held().parts
    assert part.replacement is not None
    assert not removed.user_query, "what was taken out is kept nowhere"


async def test_a_part_about_nothing_known_is_an_event_too(desk: Desk) -> None:
    await desk.submit(query=pb.QueryCorrection(part="zygote"))
    (event,) = map(valid, desk.services.recorded)
    assert list(event.entity_ids) == []
    assert desk.held().parts[0].replacement is None


async def test_repeated_it_is_the_same_event_and_said_once(desk: Desk) -> None:
    for _ in range(2):
        await desk.submit(document_id="d1", placement=pb.PLACEMENT_PINNED)
    first, second = desk.services.recorded
    assert first.event_id == second.event_id
    assert desk.held().pinned == ("d1",)


async def test_simulated_feedback_is_marked_and_never_mixed_with_a_persons(desk: Desk) -> None:
    played = pb.FEEDBACK_SOURCE_SIMULATED
    await desk.submit(document_id="d1", placement=pb.PLACEMENT_PINNED, source=played)
    assert desk.services.recorded[0].attributes["origin"] == "simulated"
    with pytest.raises(ServiceError) as refused:
        await desk.submit(request_id="r2", document_id="d1", placement=pb.PLACEMENT_REJECTED)
    assert [each.field for each in refused.value.violations] == ["source"]
    assert len(desk.services.recorded) == 1, "what is refused is not in the log"
    await desk.submit(request_id="r3", document_id="d1", verdict=pb.VERDICT_RELEVANT)
    assert "origin" not in desk.services.recorded[-1].attributes


async def test_who_does_not_allow_learning_may_still_correct_a_session(desk: Desk) -> None:
    desk.services.refuses = "user_id"
    assert await desk.submit(document_id="d1", placement=pb.PLACEMENT_REJECTED) == Outcome(False, True)
    with pytest.raises(ServiceError):
        await desk.submit(document_id="d1", verdict=pb.VERDICT_RELEVANT)


async def test_what_the_log_does_not_take_does_not_hold(desk: Desk) -> None:
    desk.services.refuses = "occurred_at"
    with pytest.raises(ServiceError):
        await desk.submit(document_id="d1", placement=pb.PLACEMENT_REJECTED)
    assert len(desk.memory) == 0


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"placement": pb.PLACEMENT_PINNED}, "document_id"),
        ({"verdict": pb.VERDICT_RELEVANT}, "document_id"),
        ({"not_about": pb.SubjectCorrection()}, "document_id"),
        ({"not_about": pb.SubjectCorrection(), "document_id": "nowhere"}, "document_id"),
        ({"not_about": pb.SubjectCorrection(), "document_id": "bare"}, "document_id"),
        ({"not_about": pb.SubjectCorrection(entity_ids=["nothing"])}, "not_about.entity_ids"),
        ({"query": pb.QueryCorrection(part="?!")}, "query.part"),
        ({"query": pb.QueryCorrection(part="x"), "verdict": pb.VERDICT_RELEVANT}, "verdict"),
        ({"document_id": "d1", "placement": pb.PLACEMENT_PINNED, "verdict": pb.VERDICT_IRRELEVANT}, "verdict"),
        ({"document_id": "d1", "placement": pb.PLACEMENT_PINNED, "session_id": ""}, "session_id"),
    ],
)
async def test_a_refusal_names_the_field(desk: Desk, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ServiceError) as refused:
        await desk.submit(**fields)
    assert [each.field for each in refused.value.violations] == [wrong]
    assert (desk.services.recorded, len(desk.memory)) == ([], 0)
