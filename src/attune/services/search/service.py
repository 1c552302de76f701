"""SearchService: converts, searches or indexes, converts."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.search.v1 import search_pb2 as pb
from attune.search.v1.search_pb2_grpc import SearchServiceServicer
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import invalid, not_found
from attune.services.runtime.metrics import Metrics
from attune.services.search.answering import answer
from attune.services.search.boosts.declared import DeclaredBoosts
from attune.services.search.convert import of_generation, to_message
from attune.services.search.cross_encoding import CrossEncoding
from attune.services.search.feedback.memory import SessionMemory
from attune.services.search.feedback.submitting import FeedbackDesk
from attune.services.search.filtering import to_filter
from attune.services.search.gateway import Gateway
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.narrowing import Within
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer
from attune.services.search.kept_rankings import KeptRankings
from attune.services.search.listing import Lists
from attune.services.search.notices import of_augmentation
from attune.services.search.paging import Pages
from attune.services.search.ranking.configured import Rankings
from attune.services.search.refusals import tells_of_the_index
from attune.services.search.searching import NO_CROSS_ENCODER, Found, Searcher
from attune.services.search.wish import Wish

_DEFAULT_PAGE = 10
Context = grpc.aio.ServicerContext[Any, Any]


def _kept() -> KeptRankings:
    return KeptRankings(clock=time.monotonic)


@dataclass(frozen=True, slots=True)
class Configured:
    """What an operator says of how searches are ranked, and for how long one can page in them."""

    boosts: DeclaredBoosts = field(default_factory=DeclaredBoosts)
    rankings: Rankings = field(default_factory=Rankings)
    cross_encoding: CrossEncoding = NO_CROSS_ENCODER
    kept: KeptRankings = field(default_factory=_kept)


@tells_of_the_index
class SearchServicer(SearchServiceServicer):
    """The gRPC face of search."""

    def __init__(
        self,
        index: Index,
        gateway: Gateway,
        clock: Clock,
        metrics: Metrics,
        indexer: Indexer | None = None,
        configured: Configured | None = None,
    ) -> None:
        self._index = index
        self._metrics = metrics
        self._indexer = indexer or Indexer(index, gateway)
        configured = configured or Configured()
        memory = SessionMemory()
        searcher = Searcher(index, gateway, clock, cross_encoding=configured.cross_encoding)
        self._pages = Pages(Lists(searcher, configured.rankings, memory, clock), configured.kept, clock)
        self._desk = FeedbackDesk(index, gateway, memory, clock)
        self._boosts = configured.boosts

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
        response = answer(page)
        response.notices.extend(_notices_of_augmentation(wish, page.listed.found))
        response.timings.total_ms = (time.monotonic() - started) * 1000
        return response

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Context) -> pb.SubmitFeedbackResponse:
        """A verdict or a correction: an event of the log, and a correction holds in the session at once."""
        made = await self._desk.submit(request)
        return pb.SubmitFeedbackResponse(recorded=made.recorded, in_session=made.in_session)


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
        rankings=tuple(request.rankings),
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
