"""SearchService: converts, searches or indexes, converts."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.search.v1 import search_pb2 as pb
from attune.search.v1.search_pb2_grpc import SearchServiceServicer
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import invalid, not_found
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.paging import decode_token, encode_token, fingerprint
from attune.services.search.answering import assigned, feedback_report, hit, ordered, ranking_report
from attune.services.search.comparing.plan import Assignment
from attune.services.search.convert import of_generation, to_message
from attune.services.search.feedback.memory import NO_FEEDBACK, SessionFeedback, SessionKey, SessionMemory
from attune.services.search.feedback.mending import mend
from attune.services.search.feedback.submitting import FeedbackDesk
from attune.services.search.filtering import to_filter
from attune.services.search.gateway import Gateway
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields
from attune.services.search.index.narrowing import Within
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer
from attune.services.search.notices import of_augmentation, of_empty_domains
from attune.services.search.ordering import Draw, Placed
from attune.services.search.personal import Weight
from attune.services.search.ranking.configured import Rankings
from attune.services.search.ranking.rankings import PLAIN
from attune.services.search.refusals import tells_of_the_index
from attune.services.search.searching import Found, Searcher, Wish

_DEFAULT_PAGE = 10
_NOTHING_LEFT = "all of the query was taken out by feedback in this session: nothing was searched for"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_US = 253_402_300_799_000_000  # the last second of the year 9999
Context = grpc.aio.ServicerContext[Any, Any]


@tells_of_the_index
class SearchServicer(SearchServiceServicer):
    """The gRPC face of search."""

    def __init__(
        self,
        index: Index,
        gateway: Gateway,
        clock: Clock,
        metrics: Metrics,
        fields: DeclaredFields = NO_FIELDS,
        rankings: Rankings | None = None,
    ) -> None:
        self._index = index
        self._gateway = gateway
        self._clock = clock
        self._metrics = metrics
        self._fields = fields
        self._indexer = Indexer(index, gateway, fields)
        self._searcher = Searcher(index, gateway)
        self._rankings = rankings or Rankings()
        self._memory = SessionMemory()
        self._desk = FeedbackDesk(index, gateway, self._memory, clock)

    async def IndexDocuments(
        self, request_iterator: AsyncIterator[pb.IndexDocumentsRequest], context: Context
    ) -> pb.IndexDocumentsResponse:
        """Add or replace documents."""
        first = await anext(aiter(request_iterator), None)
        indexer = await self._indexer_of(first.generation if first else "")
        report = await indexer.index(_documents(first, request_iterator))
        self._metrics.documents.labels("indexed").inc(report.indexed)
        self._metrics.documents.labels("unchanged").inc(report.unchanged)
        self._metrics.documents.labels("rejected").inc(report.rejected_count)
        rejected = [
            pb.RejectedDocument(
                index=each.index,
                document_id=each.document_id,
                field=each.violation.field,
                reason=each.violation.description,
            )
            for each in report.rejected
        ]
        return pb.IndexDocumentsResponse(
            indexed=report.indexed,
            unchanged=report.unchanged,
            rejected=rejected,
            rejected_count=report.rejected_count,
            notices=report.generalist.notices(),
        )

    async def DeleteDocuments(self, request: pb.DeleteDocumentsRequest, context: Context) -> pb.DeleteDocumentsResponse:
        """Remove documents."""
        return pb.DeleteDocumentsResponse(deleted=await self._indexer.delete(list(request.document_ids)))

    async def CreateGeneration(
        self, request: pb.CreateGenerationRequest, context: Context
    ) -> pb.CreateGenerationResponse:
        """Begin to build another index."""
        made = await asyncio.to_thread(self._index.create_generation)
        return pb.CreateGenerationResponse(generation=of_generation(made))

    async def ListGenerations(self, request: pb.ListGenerationsRequest, context: Context) -> pb.ListGenerationsResponse:
        """What there is to search, and to put in its place."""
        found = await asyncio.to_thread(self._index.generations)
        return pb.ListGenerationsResponse(generations=map(of_generation, found))

    async def ActivateGeneration(
        self, request: pb.ActivateGenerationRequest, context: Context
    ) -> pb.ActivateGenerationResponse:
        """Serve what was built."""
        found = await asyncio.to_thread(self._index.activate_generation, request.name, force=request.force)
        return pb.ActivateGenerationResponse(generation=of_generation(found))

    async def DeleteGeneration(
        self, request: pb.DeleteGenerationRequest, context: Context
    ) -> pb.DeleteGenerationResponse:
        """Free what is not needed."""
        await asyncio.to_thread(self._index.drop_generation, request.name)
        return pb.DeleteGenerationResponse()

    async def _indexer_of(self, generation: str) -> Indexer:
        if not generation:
            return self._indexer
        feed = await asyncio.to_thread(self._index.feed, generation)
        return Indexer(self._index, self._gateway, self._fields, feed)

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Context) -> pb.GetDocumentResponse:
        """One document."""
        principals = tuple(request.principals)
        document = await asyncio.to_thread(self._index.get, current_call().tenant, request.document_id, principals)
        if document is None:
            raise not_found(f"document_id: the index has no document {request.document_id!r}")
        return pb.GetDocumentResponse(document=to_message(document), entity_ids=document.entity_ids)

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.SearchResponse:
        """The documents that answer a query, the best for this user first."""
        started = time.monotonic()
        if not request.query.strip():
            raise invalid("query", "has no words; say what is searched for")
        wish = _wish(request, self._fields)
        assignment = assigned(self._rankings, request.rankings, current_call().tenant, wish)
        place, made_for = _page(request, wish, self._clock())
        feedback = self._feedback(wish, place)
        mended = mend(wish.query, wish.context, feedback.parts, self._memory.key)
        wish = replace(
            wish,
            query=mended.query,
            context=mended.context,
            replacements=mended.replacements,
            not_about=feedback.not_about,
        )
        if mended.query or mended.replacements:
            found = await self._searcher.search(wish)
        else:
            found = Found([], {}, Weight(0.0, _NOTHING_LEFT))
        made = ordered(found, Draw(wish.page_size, place.query_id), assignment, self._rankings, feedback)
        hits = made.hits(place.offset, place.offset + wish.page_size)
        response = _response(found, made.assignment, place, hits)
        if place.offset + wish.page_size < len(made):
            response.next_page_token = place.next(wish.page_size).token(made_for)
        if not feedback.is_empty:
            response.session_feedback.CopyFrom(feedback_report(made, hits, mended))
        if not (mended.query or mended.replacements):
            response.notices.append(_NOTHING_LEFT)
        response.notices.extend(_notices_of_augmentation(wish, found))
        response.timings.total_ms = (time.monotonic() - started) * 1000
        return response

    def _feedback(self, wish: Wish, place: "_Place") -> SessionFeedback:
        """What the user said in this session until the list's first page was made; without personalization nothing."""
        if wish.personalization <= 0 or not wish.context.session_id:
            return NO_FEEDBACK
        key = SessionKey(current_call().tenant, wish.user, wish.context.session_id)
        return self._memory.of(key, self._clock(), place.until)

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Context) -> pb.SubmitFeedbackResponse:
        """A verdict or a correction: an event of the log, and a correction holds in the session at once."""
        made = await self._desk.submit(request)
        return pb.SubmitFeedbackResponse(recorded=made.recorded, in_session=made.in_session)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page starts in which list: drawn by the name of the search, by the feedback until then."""

    offset: int
    query_id: str
    until: datetime

    def next(self, size: int) -> "_Place":
        """Where the page after this one starts, which has `size` hits."""
        return replace(self, offset=self.offset + size)

    def token(self, made_for: str) -> str:
        """For the request with that fingerprint."""
        until_us = (self.until - _EPOCH) // _MICROSECOND
        return encode_token([self.offset, self.query_id, until_us], made_for)


async def _documents(
    first: pb.IndexDocumentsRequest | None, others: AsyncIterator[pb.IndexDocumentsRequest]
) -> AsyncIterator[pb.Document]:
    if first is not None:
        yield first.document
        async for request in others:
            yield request.document


def _wish(request: pb.SearchRequest, fields: DeclaredFields) -> Wish:
    return Wish(
        query=request.query,
        user=request.user_id,
        context=request.context,
        domains=tuple(request.domains),
        page_size=request.page_size or _DEFAULT_PAGE,
        augmentation=request.augmentation,
        within=Within(
            tuple(request.principals),
            tuple(request.languages),
            to_filter(request.filter, fields) if request.HasField("filter") else None,
        ),
    )


def _page(request: pb.SearchRequest, wish: Wish, now: datetime) -> tuple[_Place, str]:
    """Where the page starts, and the fingerprint that its successor's token will bear."""
    made_for = fingerprint(
        [
            "Search",
            current_call().tenant,
            wish.query,
            wish.user,
            *wish.domains,
            str(wish.page_size),
            str(wish.augmentation),
            request.context.SerializeToString(deterministic=True).hex(),
            request.filter.SerializeToString(deterministic=True).hex(),
            json.dumps([sorted(request.principals), list(request.languages)]),
            *request.rankings,
            request.query_id,
        ]
    )
    position = decode_token(request.page_token, made_for, _is_place)
    if position is None:
        return _Place(0, request.query_id or uuid.uuid4().hex, now), made_for
    offset, query_id, until_us = position
    return _Place(offset, query_id, _EPOCH + timedelta(microseconds=until_us)), made_for


def _is_place(position: Any) -> bool:
    return (
        isinstance(position, list)
        and [type(each) for each in position] == [int, str, int]
        and position[0] >= 0
        and 0 <= position[2] <= _LATEST_US
    )


def _notices_of_augmentation(wish: Wish, found: Found) -> list[str]:
    name = embedding.Augmentation.Name(wish.augmentation).removeprefix("AUGMENTATION_").lower()
    if wish.augmentation in (embedding.AUGMENTATION_UNSPECIFIED, embedding.AUGMENTATION_NONE):
        return []
    if wish.augmentation in found.augmentations:
        return []
    return of_augmentation(name, [space.domain or "general" for space in found.spaces])


def _response(found: Found, assignment: Assignment, place: _Place, hits: Sequence[Placed]) -> pb.SearchResponse:
    return pb.SearchResponse(
        hits=[hit(each, found) for each in hits],
        query_id=place.query_id,
        personalization=pb.PersonalizationReport(
            applied=assignment.names != (PLAIN,) and any(each.personal > 0 for each in found.ranked),
            weight=found.weight.value,
            reason=found.weight.reason,
        ),
        timings=pb.SearchTimings(**found.milliseconds),
        notices=of_empty_domains(found.empty_domains),
        experts=[
            pb.SearchedExpert(domain=space.domain, weight=space.weight, augmentation=augmentation)
            for space, augmentation in zip(found.spaces, found.augmentations, strict=True)
        ],
        ranking=ranking_report(assignment),
    )
