"""KnowledgeService: converts, calls the library in a thread, converts."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceServicer
from attune.knowledge_store.consent import Consents, Purpose
from attune.knowledge_store.knowledge import Document, Knowledge
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_model import EntityCursor
from attune.services.knowledge.consenting import Consenting
from attune.services.knowledge.convert import (
    consent_messages,
    entity_response,
    linked_text,
    object_entities,
    profile_response,
    timestamp,
    user_entity,
)
from attune.services.knowledge.documents import Documents
from attune.services.knowledge.exporting import export_messages
from attune.services.knowledge.forgetting import Forgetting
from attune.services.knowledge.reachability import StoreWatch
from attune.services.knowledge.recorder import Recorder
from attune.services.knowledge.retrieving import retrieve
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import invalid, not_found
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.paging import decode_token, encode_token, fingerprint
from attune.services.runtime.purposes import purpose_of

_DEFAULT_PAGE = 50
Context = grpc.aio.ServicerContext[Any, Any]


class KnowledgeServicer(KnowledgeServiceServicer):
    """The gRPC face of the knowledge store."""

    def __init__(self, knowledge: Knowledge, event_log: EventLog, clock: Clock, store_watch: StoreWatch) -> None:
        self._knowledge = knowledge
        self._event_log = event_log
        self._clock = clock
        self._store_watch = store_watch
        self._recorder = Recorder(event_log, knowledge.store, clock)
        self._forgetting = Forgetting(knowledge, event_log, clock)
        self._consenting = Consenting(knowledge.store, event_log, clock)
        self._documents = Documents(knowledge, event_log, clock)

    async def finish(self) -> None:
        """Wait for the work that goes on without its caller. To be called before the store and the log are closed."""
        await self._forgetting.finish()
        await self._consenting.finish()

    async def LinkEntities(self, request: pb.LinkEntitiesRequest, context: Context) -> pb.LinkEntitiesResponse:
        """The entities of each text."""

        def link() -> list[pb.LinkedText]:
            linker = self._knowledge.linker
            return [
                linked_text(linker.link_together((each.text, *each.together), context=each.context))
                for each in request.inputs
            ]

        return pb.LinkEntitiesResponse(texts=await asyncio.to_thread(link))

    async def LinkObjects(self, request: pb.LinkObjectsRequest, context: Context) -> pb.LinkObjectsResponse:
        """Link documents and remember their entities."""
        self._store_watch.require_reachable()
        documents = [Document(each.object_id, each.title, each.text) for each in request.objects]
        linked = await asyncio.to_thread(self._documents.link, current_call().tenant, documents)
        return pb.LinkObjectsResponse(
            objects=[object_entities(each.object_id, linked[each.object_id]) for each in documents]
        )

    async def UnlinkObjects(self, request: pb.UnlinkObjectsRequest, context: Context) -> pb.UnlinkObjectsResponse:
        """Drop the entities of documents that are gone."""
        self._store_watch.require_reachable()
        tenant, ids = current_call().tenant, list(request.object_ids)
        return pb.UnlinkObjectsResponse(unlinked=await asyncio.to_thread(self._documents.unlink, tenant, ids))

    async def RecordInteractions(
        self, request_iterator: AsyncIterator[pb.RecordInteractionsRequest], context: Context
    ) -> pb.RecordInteractionsResponse:
        """Events to the log."""
        self._store_watch.require_reachable()
        report = await self._recorder.record(_events(request_iterator), current_call().tenant)
        rejected = [
            pb.RejectedEvent(
                index=each.index,
                event_id=each.event_id,
                field=each.violation.field,
                reason=each.violation.description,
            )
            for each in report.rejected
        ]
        return pb.RecordInteractionsResponse(
            accepted=report.accepted,
            rejected=rejected,
            rejected_count=report.rejected_count,
            log_end_offset=report.end_offset,
            log_end_offsets=report.end_offsets,
        )

    async def RetrieveEntities(
        self, request: pb.RetrieveEntitiesRequest, context: Context
    ) -> pb.RetrieveEntitiesResponse:
        """What of this context the user knows."""
        return await asyncio.to_thread(retrieve, self._knowledge, self._user(request.user_id), request, self._clock())

    async def ListUserEntities(
        self, request: pb.ListUserEntitiesRequest, context: Context
    ) -> pb.ListUserEntitiesResponse:
        """A page of a user's entities."""
        user = self._user(request.user_id)
        made_for = fingerprint(["ListUserEntities", user.tenant, user.user])
        position = decode_token(request.page_token, made_for, _is_cursor)
        after = EntityCursor(*position) if position else None
        size = request.page_size or _DEFAULT_PAGE
        states = await asyncio.to_thread(self._knowledge.entity_page, user, after, size + 1)
        page, more, catalog = states[:size], len(states) > size, self._knowledge.catalog
        cursor = EntityCursor.of(page[-1]) if more else None
        return pb.ListUserEntitiesResponse(
            entities=[user_entity(state, catalog, self._clock()) for state in page],
            next_page_token=encode_token([cursor.rank, cursor.entity_id], made_for) if cursor else "",
        )

    async def GetUserProfile(self, request: pb.GetUserProfileRequest, context: Context) -> pb.GetUserProfileResponse:
        """A user in numbers, and in words."""
        user = self._user(request.user_id)

        def read() -> pb.GetUserProfileResponse:
            # The offsets first: what they promise to be visible is in a profile that is read after them.
            partitions = range(self._event_log.partition_count(TOPIC))
            applied = {each: self._knowledge.store.position(TOPIC, each) for each in partitions}
            # Before the profile, which then has no fewer events.
            summary = self._knowledge.summary(user) if self._knowledge.store.allows(user, Purpose.SUMMARY) else None
            return profile_response(request.user_id, self._knowledge.profile(user), summary, applied)

        return await asyncio.to_thread(read)

    async def ExportUser(self, request: pb.ExportUserRequest, context: Context) -> AsyncIterator[pb.ExportUserResponse]:
        """Everything that is stored of a user."""
        user = self._user(request.user_id)
        for message in await asyncio.to_thread(export_messages, self._knowledge, user, self._clock()):
            yield message

    async def ForgetUser(self, request: pb.ForgetUserRequest, context: Context) -> pb.ForgetUserResponse:
        """Everything of a user, for good."""
        done = await self._forgetting.forget_user(self._user(request.user_id))
        return pb.ForgetUserResponse(removed=done.removed, forgotten_at=timestamp(done.until))

    async def ForgetEntity(self, request: pb.ForgetEntityRequest, context: Context) -> pb.ForgetEntityResponse:
        """One entity of a user, for good."""
        done = await self._forgetting.forget_entity(self._user(request.user_id), request.entity_id)
        return pb.ForgetEntityResponse(removed=done.removed, forgotten_at=timestamp(done.until))

    async def GetEntity(self, request: pb.GetEntityRequest, context: Context) -> pb.GetEntityResponse:
        """An entity of the catalog."""
        loaded = self._knowledge.loaded
        entity = loaded.catalog.get(request.entity_id)
        if entity is None:
            raise not_found(f"entity_id: the catalog has no entity {request.entity_id!r}")
        return entity_response(entity, loaded.graph, loaded.catalog)

    async def SuppressSuggestions(
        self, request: pb.SuppressSuggestionsRequest, context: Context
    ) -> pb.SuppressSuggestionsResponse:
        """Remember what the user wants to see no more."""
        user = self._user(request.user_id)
        await self._forgetting.suppress(user, list(request.fingerprints), all_history=request.all_history)
        return pb.SuppressSuggestionsResponse()

    async def GetConsents(self, request: pb.GetConsentsRequest, context: Context) -> pb.GetConsentsResponse:
        """What a user allows."""
        held = await self._consenting.consents(self._user(request.user_id))
        return pb.GetConsentsResponse(consents=self._consent_messages(held))

    async def SetConsents(self, request: pb.SetConsentsRequest, context: Context) -> pb.SetConsentsResponse:
        """Grant and withdraw purposes."""
        held = await self._consenting.choose(self._user(request.user_id), _choices(request))
        return pb.SetConsentsResponse(consents=self._consent_messages(held))

    async def GetSuppressedSuggestions(
        self, request: pb.GetSuppressedSuggestionsRequest, context: Context
    ) -> pb.GetSuppressedSuggestionsResponse:
        """What the user wants to see no more."""
        found = await asyncio.to_thread(self._knowledge.store.suppressed, self._user(request.user_id))
        return pb.GetSuppressedSuggestionsResponse(
            fingerprints=found.fingerprints, history_until=timestamp(found.history_until)
        )

    def _consent_messages(self, held: Consents) -> list[pb.Consent]:
        return consent_messages(held, default=self._knowledge.store.consent_default)

    def _user(self, user_id: str) -> UserKey:
        """Whom a call is about. Raises ServiceError where the store cannot be reached."""
        self._store_watch.require_reachable()
        return UserKey(current_call().tenant, user_id)


def _choices(request: pb.SetConsentsRequest) -> dict[Purpose, bool]:
    """The choices by purpose. Raises ServiceError where there are two about one: which of them is meant?"""
    wanted: dict[Purpose, bool] = {}
    for place, each in enumerate(request.choices):
        purpose = purpose_of(each.purpose)
        if purpose in wanted:
            raise invalid(f"choices[{place}].purpose", f"{purpose} is chosen twice: grant or withdraw it, once")
        wanted[purpose] = each.granted
    return wanted


def _is_cursor(position: Any) -> bool:
    match position:
        case [float(rank), str()]:
            return math.isfinite(rank)
        case _:
            return False


async def _events(requests: AsyncIterator[pb.RecordInteractionsRequest]) -> AsyncIterator[InteractionEvent]:
    async for request in requests:
        yield request.event
