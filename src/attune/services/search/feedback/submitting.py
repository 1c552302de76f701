"""SubmitFeedback's work: a verdict or a correction becomes events of the log, and a correction holds in the session."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import ServiceError, invalid
from attune.services.search.feedback import events
from attune.services.search.feedback.memory import (
    Correction,
    MixedSourcesError,
    NotAbout,
    Placed,
    Placement,
    SessionKey,
    SessionMemory,
)
from attune.services.search.feedback.parts import Replacement, part_of
from attune.services.search.gateway import Gateway
from attune.services.search.index.port import Index

_PLACEMENTS = {
    pb.PLACEMENT_PINNED: Placement.PINNED,
    pb.PLACEMENT_REJECTED: Placement.REJECTED,
    pb.PLACEMENT_NONE: Placement.NONE,
}
_IMPLIED = {Placement.PINNED: events.RELEVANT, Placement.REJECTED: events.IRRELEVANT}
_MOST_ENTITIES = 64
"""Of an event."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of feedback."""

    recorded: bool
    in_session: bool


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said, in the form that the log takes and in the form that the session takes."""

    events: Sequence[InteractionEvent]
    correction: Correction | None = None


class FeedbackDesk:
    """Takes feedback. Each call may be repeated."""

    def __init__(self, index: Index, gateway: Gateway, memory: SessionMemory, clock: Clock) -> None:
        self._index = index
        self._gateway = gateway
        self._memory = memory
        self._clock = clock

    async def submit(self, request: pb.SubmitFeedbackRequest) -> Outcome:
        """To the log first: what is not there shall not hold here either, so that a failed call can be repeated.

        Of a user who does not allow learning a correction holds in the session, and is not learned from.

        Raises:
            ServiceError: INVALID_ARGUMENT, which names the field.
        """
        is_correction = request.WhichOneof("correction") is not None
        _require_fields(request, is_correction=is_correction)
        key = SessionKey(current_call().tenant, request.user_id, request.session_id)
        is_simulated = request.source == pb.FEEDBACK_SOURCE_SIMULATED
        try:
            if is_correction:
                self._memory.require_source(key, self._clock(), is_simulated=is_simulated)
            said = await self._said(request)
            recorded = await self._record(said.events, is_correction=is_correction)
            if said.correction is not None:
                correction, now = said.correction, self._clock()
                self._memory.add(key, request.request_id, correction, now, is_simulated=is_simulated)
        except MixedSourcesError:
            mend = "give people and programs that play users sessions of their own"
            raise invalid("source", f"is another than of the session's feedback until now; {mend}") from None
        return Outcome(recorded, said.correction is not None)

    async def _said(self, request: pb.SubmitFeedbackRequest) -> _Said:
        match request.WhichOneof("correction"):
            case "query":
                return await self._of_query(request)
            case "placement":
                return self._of_placement(request)
            case "not_about":
                return await self._of_subject(request)
            case _:
                return _Said([events.on_document(request, self._clock(), None)])

    async def _of_query(self, request: pb.SubmitFeedbackRequest) -> _Said:
        """What the replacement is about too was not wrong."""
        part, instead = request.query.part, request.query.replacement
        replacement = None
        if instead:
            replacement = Replacement(await self._gateway.vectors_by_space(instead))
        correction = part_of(part, self._memory.key, replacement)
        if correction is None:
            raise invalid("query.part", "has no words; give the words that are wrong as they were sent")
        wrong, right = await self._gateway.linked_texts([part, instead])
        about = [entity_id for entity_id in wrong if entity_id not in right][:_MOST_ENTITIES]
        return _Said(events.on_query(request, self._clock(), about), correction)

    def _of_placement(self, request: pb.SubmitFeedbackRequest) -> _Said:
        placement = _PLACEMENTS[request.placement]
        verdict = events.verdict_of(request)
        if verdict and verdict != _IMPLIED.get(placement, verdict):
            raise invalid("verdict", f"is {verdict}, and the placement says the other; leave verdict out")
        correction = Placed(request.document_id, placement)
        if placement is not Placement.NONE:
            return _Said([events.on_document(request, self._clock(), placement)], correction)
        return _Said([events.on_document(request, self._clock(), None)] if verdict else [], correction)

    async def _of_subject(self, request: pb.SubmitFeedbackRequest) -> _Said:
        """Callers choose the ids, and one that the catalog does not have may be anything, even a text: none of these
        gets into the log or the memory.
        """
        named = list(request.not_about.entity_ids)
        subject = [] if named else await self._subject(request.document_id)
        known = await self._gateway.known_ids(request.user_id, named or subject)
        if not known:
            field = "not_about.entity_ids" if named else "document_id"
            raise invalid(field, "names nothing that the catalog has; give entity_ids of a hit")
        # Documents are indexed with the ids of then, which the catalog may call otherwise now.
        held = NotAbout(tuple(dict.fromkeys([*known, *subject])))
        return _Said([events.on_subject(request, self._clock(), known)], held)

    async def _subject(self, document_id: str) -> list[str]:
        """A document's main entity: the first of its own, which are the most salient first.

        Nobody says here what the caller may see, so documents that not everybody may see are none.
        """
        public: tuple[str, ...] = ()
        document = await asyncio.to_thread(self._index.get, current_call().tenant, document_id, public)
        if document is None or not document.entity_ids:
            what = "is no document of the index" if document is None else "has no entities"
            raise invalid("document_id", f"{what}; name not_about.entity_ids")
        return list(document.entity_ids[:1])

    async def _record(self, said: Sequence[InteractionEvent], *, is_correction: bool) -> bool:
        if not said:
            return False
        try:
            await self._gateway.record(*said)
        except ServiceError as error:
            if not is_correction or [each.field for each in error.violations] != ["user_id"]:
                raise
            return False
        return True


def _require_fields(request: pb.SubmitFeedbackRequest, *, is_correction: bool) -> None:
    if is_correction and not request.session_id:
        raise invalid("session_id", "is required for a correction: it holds in a session")
    on_entities = request.WhichOneof("correction") == "not_about" and request.not_about.entity_ids
    on_words = request.WhichOneof("correction") == "query"
    if on_words and request.verdict:
        raise invalid("verdict", "is on a document, and query on words; send them one by one")
    if not request.document_id and not on_words and not on_entities:
        raise invalid("document_id", "is required for a verdict, a placement, and not_about without entity_ids")
