"""SearchService: converts, searches or indexes, converts."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.events.v1.events_pb2 import EVENT_TYPE_FEEDBACK, InteractionEvent
from attune.search.v1 import search_pb2 as pb
from attune.search.v1.search_pb2_grpc import SearchServiceServicer
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import invalid, not_found
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.paging import fingerprint
from attune.services.search.boosts.declared import DeclaredBoosts
from attune.services.search.convert import of_generation, passage_message, to_message
from attune.services.search.cross_encoding import CrossEncoding
from attune.services.search.explain import explain
from attune.services.search.filtering import to_filter
from attune.services.search.gateway import Gateway
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.narrowing import Within
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer
from attune.services.search.notices import of_augmentation, of_empty_domains
from attune.services.search.paging import Page, Pages
from attune.services.search.rankings import KeptRankings
from attune.services.search.refusals import tells_of_the_index
from attune.services.search.searching import NO_CROSS_ENCODER, Found, Searcher, Wish

_DEFAULT_PAGE = 10
_VERDICTS = {pb.VERDICT_RELEVANT: "relevant", pb.VERDICT_IRRELEVANT: "irrelevant"}
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
        *,
        indexer: Indexer | None = None,
        rankings: KeptRankings | None = None,
        boosts: DeclaredBoosts | None = None,
        cross_encoding: CrossEncoding = NO_CROSS_ENCODER,
    ) -> None:
        self._index = index
        self._gateway = gateway
        self._clock = clock
        self._metrics = metrics
        self._indexer = indexer or Indexer(index, gateway)
        kept = KeptRankings(clock=time.monotonic) if rankings is None else rankings
        self._pages = Pages(Searcher(index, gateway, clock, cross_encoding=cross_encoding), kept)
        self._boosts = boosts or DeclaredBoosts()

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
        return self._indexer.feeding(await asyncio.to_thread(self._index.feed, generation))

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
        wish = _wish(request, self._indexer.fields, self._boosts)
        page = await self._pages.page(request, wish)
        response = _response(page)
        response.notices.extend([*_notices_of_augmentation(wish, page.found), *page.found.notices, *page.notices])
        response.query_id = uuid.uuid4().hex
        response.timings.total_ms = (time.monotonic() - started) * 1000
        return response

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Context) -> pb.SubmitFeedbackResponse:
        """A verdict becomes an event; user and request_id make the event's id, so that a repetition counts once."""
        event = InteractionEvent(
            event_id=f"feedback/{fingerprint([request.user_id, request.request_id])}",
            user_id=request.user_id,
            session_id=request.session_id,
            query_id=request.query_id,
            object_id=request.document_id,
            type=EVENT_TYPE_FEEDBACK,
            attributes={"verdict": _VERDICTS[request.verdict]},
        )
        event.occurred_at.FromDatetime(self._clock())
        await self._gateway.record(event)
        return pb.SubmitFeedbackResponse()


async def _documents(
    first: pb.IndexDocumentsRequest | None, others: AsyncIterator[pb.IndexDocumentsRequest]
) -> AsyncIterator[pb.Document]:
    if first is not None:
        yield first.document
        async for request in others:
            yield request.document


def _wish(request: pb.SearchRequest, fields: DeclaredFields, boosts: DeclaredBoosts) -> Wish:
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
        boosts=boosts.chosen(request.boosts),
        cross_encoded=request.cross_encoder_candidates if request.HasField("cross_encoder_candidates") else None,
    )


def _notices_of_augmentation(wish: Wish, found: Found) -> list[str]:
    name = embedding.Augmentation.Name(wish.augmentation).removeprefix("AUGMENTATION_").lower()
    if wish.augmentation in (embedding.AUGMENTATION_UNSPECIFIED, embedding.AUGMENTATION_NONE):
        return []
    if wish.augmentation in found.augmentations:
        return []
    return of_augmentation(name, [space.domain or "general" for space in found.spaces])


def _response(page: Page) -> pb.SearchResponse:
    found = page.found
    response = pb.SearchResponse(
        next_page_token=page.next_token,
        personalization=pb.PersonalizationReport(
            applied=any(each.personal > 0 for each in found.ranked),
            weight=found.weight.value,
            reason=found.weight.reason,
            session_weight=found.session.value,
            session_reason=found.session.reason,
        ),
        timings=pb.SearchTimings(**found.milliseconds),
        notices=of_empty_domains(found.empty_domains),
        experts=[
            pb.SearchedExpert(domain=space.domain, weight=space.weight, augmentation=augmentation)
            for space, augmentation in zip(found.spaces, found.augmentations, strict=True)
        ],
    )
    for each, document in page.hits:
        response.hits.add(
            document=to_message(document),
            score=each.score,
            explanation=explain(each),
            entity_ids=document.entity_ids,
            passage=passage_message(document, page.passages.get(document.id)),
        )
    return response
