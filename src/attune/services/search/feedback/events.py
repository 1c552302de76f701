"""What a user says of a search, as events of the log."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from attune.events.v1.events_pb2 import EVENT_TYPE_FEEDBACK, EVENT_TYPE_REFORMULATION, EventType, InteractionEvent
from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.origins import ORIGIN, SIMULATED
from attune.services.runtime.paging import fingerprint
from attune.services.search.feedback.memory import Placement

TOKEN = "search_token"  # noqa: S105 - the name of an attribute
STAGE = "stage"
PLACEMENT = "placement"
VERDICT = "verdict"
RELEVANT = "relevant"
IRRELEVANT = "irrelevant"
_VERDICTS = {pb.VERDICT_RELEVANT: RELEVANT, pb.VERDICT_IRRELEVANT: IRRELEVANT}
_OF_PLACEMENTS = {Placement.PINNED: RELEVANT, Placement.REJECTED: IRRELEVANT}


def verdict_of(request: pb.SubmitFeedbackRequest) -> str:
    """The one that was given; empty where none was."""
    return _VERDICTS.get(request.verdict, "")


def on_document(request: pb.SubmitFeedbackRequest, now: datetime, placement: Placement | None) -> InteractionEvent:
    """A verdict, or a place, which implies one."""
    attributes = {VERDICT: _OF_PLACEMENTS[placement] if placement else verdict_of(request)}
    if placement:
        attributes |= {STAGE: "result", PLACEMENT: placement.value}
    return _event(request, now, EVENT_TYPE_FEEDBACK, attributes, object_id=request.document_id)


def on_subject(request: pb.SubmitFeedbackRequest, now: datetime, entity_ids: Sequence[str]) -> InteractionEvent:
    """The user does not mean these entities."""
    attributes = {VERDICT: IRRELEVANT, STAGE: "subject"}
    return _event(request, now, EVENT_TYPE_FEEDBACK, attributes, object_id=request.document_id, entity_ids=entity_ids)


def on_query(request: pb.SubmitFeedbackRequest, now: datetime, entity_ids: Sequence[str]) -> list[InteractionEvent]:
    """A part of the query was wrong, which was about these entities; and what was meant, as a reformulation."""
    attributes = {VERDICT: IRRELEVANT, STAGE: "query"}
    events = [_event(request, now, EVENT_TYPE_FEEDBACK, attributes, entity_ids=entity_ids)]
    if request.query.replacement:
        instead = _event(
            request,
            now,
            EVENT_TYPE_REFORMULATION,
            {STAGE: "query"},
            user_query=request.query.replacement,
            previous_query_id=request.query_id,
        )
        instead.event_id += "/instead"
        events.append(instead)
    return events


def _event(
    request: pb.SubmitFeedbackRequest,
    now: datetime,
    kind: EventType.ValueType,
    attributes: Mapping[str, str],
    *,
    object_id: str = "",
    entity_ids: Sequence[str] = (),
    user_query: str = "",
    previous_query_id: str = "",
) -> InteractionEvent:
    """User and request_id make its id, so that a repetition counts once."""
    event = InteractionEvent(
        event_id=f"feedback/{fingerprint([request.user_id, request.request_id])}",
        user_id=request.user_id,
        session_id=request.session_id,
        query_id=request.query_id,
        type=kind,
        object_id=object_id,
        entity_ids=entity_ids,
        user_query=user_query,
        previous_query_id=previous_query_id,
        attributes=attributes,
    )
    if request.hit_token and object_id:
        event.attributes[TOKEN] = request.hit_token
    if request.source == pb.FEEDBACK_SOURCE_SIMULATED:
        event.attributes[ORIGIN] = SIMULATED
    event.occurred_at.FromDatetime(now)
    return event
