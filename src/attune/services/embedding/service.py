"""EmbeddingService: converts, asks the engine, converts."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceServicer
from attune.embeddings.batching import EngineResult
from attune.embeddings.caching import TextEngine
from attune.embeddings.cross_encoder.engine import PairEngine
from attune.embeddings.errors import ModelError, Overloaded
from attune.embeddings.items import EmbedItem
from attune.embeddings.lanes import Lane
from attune.embeddings.router import GENERAL
from attune.services.embedding.convert import (
    domain_messages,
    domain_routes,
    embed_items,
    embedded_items,
    embedded_vectors,
    lane_of,
    pair_scores,
    vector_batch,
)
from attune.services.embedding.failures import told_as_errors
from attune.services.embedding.model import Model
from attune.services.runtime.call import current_call
from attune.services.runtime.errors import ServiceError, failed_precondition, invalid
from attune.services.runtime.paging import decode_token, encode_token, fingerprint
from attune.services.runtime.validation import Validation

_DEFAULT_PAGE = 100
MOST_READ = 16_384
"""Characters: more of a text than any cross-encoder reads."""
Context = grpc.aio.ServicerContext[Any, Any]


class EmbeddingServicer(EmbeddingServiceServicer):
    """The gRPC face of the embedding engine."""

    def __init__(self, engine: TextEngine, model: Model, pairs: PairEngine | None = None) -> None:
        self._engine = engine
        self._model = model
        self._pairs = pairs
        self._validation = Validation()

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        """A batch of texts."""
        return await self._embed(request, lane_of(request.lane, Lane.INTERACTIVE))

    async def EmbedStream(
        self, request_iterator: AsyncIterator[pb.EmbedStreamRequest], context: Context
    ) -> AsyncIterator[pb.EmbedStreamResponse]:
        """Batch after batch; the next one is read when this one is answered, so memory stays constant.

        Where there is no room for a batch yet, the stream waits for it.
        """
        async for message in request_iterator:
            self._validation.check(message)
            request = message.request
            lane = lane_of(request.lane, Lane.BULK)
            yield pb.EmbedStreamResponse(response=await self._embed(request, lane, patient=True))

    async def RouteDomains(self, request: pb.RouteDomainsRequest, context: Context) -> pb.RouteDomainsResponse:
        """By the general expert's vectors; where no domain was sampled, all texts are general."""
        router = self._engine.domains.router
        items = [EmbedItem(text, GENERAL) for text in request.texts]
        result = await self._computed(items, Lane.INTERACTIVE)
        vectors = embedded_vectors(result.results, "texts")
        return pb.RouteDomainsResponse(routes=domain_routes(router.domains, router.probabilities(vectors)))

    async def ListDomains(self, request: pb.ListDomainsRequest, context: Context) -> pb.ListDomainsResponse:
        """The domains that have an expert."""
        made_for = fingerprint(["ListDomains"])
        last = decode_token(request.page_token, made_for, lambda position: isinstance(position, str))
        known = [each for each in self._engine.domains.domains() if last is None or each.id > last]
        page = known[: request.page_size or _DEFAULT_PAGE]
        domains = domain_messages(page)
        token = encode_token(page[-1].id, made_for) if len(page) < len(known) else ""
        return pb.ListDomainsResponse(domains=domains, next_page_token=token)

    async def ReloadDomains(self, request: pb.ReloadDomainsRequest, context: Context) -> pb.ReloadDomainsResponse:
        """The experts that the model directory names now, in every worker."""
        before = {each.id: each.version for each in self._engine.domains.domains()}
        try:
            registry = await self._engine.reload()
        except ModelError as error:
            raise ServiceError(grpc.StatusCode.FAILED_PRECONDITION, "EXPERT_UNUSABLE", str(error)) from error
        after = {each.id: each.version for each in registry.domains()}
        return pb.ReloadDomainsResponse(
            domains=domain_messages(registry.domains()),
            added=sorted(after.keys() - before.keys()),
            changed=sorted(each for each in after.keys() & before.keys() if after[each] != before[each]),
            removed=sorted(before.keys() - after.keys()),
        )

    async def ScorePairs(self, request: pb.ScorePairsRequest, context: Context) -> pb.ScorePairsResponse:
        """By the cross-encoder."""
        started = time.monotonic()
        if self._pairs is None:
            raise failed_precondition(
                "NO_CROSS_ENCODER", "no cross-encoder is configured: give ATTUNE_CROSS_ENCODER_PATH its directory"
            )
        if not request.query.strip():
            raise invalid("query", "has no words; say what the texts may answer")
        texts = [each[:MOST_READ] for each in request.texts if each.strip()]
        with told_as_errors():
            found = await self._pairs.score(request.query, texts, deadline=current_call().deadline)
        response = pb.ScorePairsResponse(scores=pair_scores(request.texts, found.values), model_id=self._pairs.model_id)
        response.timings.queue_ms = found.queue_ms
        response.timings.compute_ms = found.compute_ms
        response.timings.total_ms = (time.monotonic() - started) * 1000
        return response

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Context) -> pb.GetModelInfoResponse:
        """The model behind the vectors."""
        return pb.GetModelInfoResponse(
            model_id=self._model.model_id,
            dimension=self._model.dimension,
            max_tokens=self._model.max_tokens,
            precision=self._model.precision,
            precision_reason=self._model.precision_reason,
            device=self._model.device,
            cross_encoder_id=self._pairs.model_id if self._pairs else "",
        )

    async def _embed(self, request: pb.EmbedRequest, lane: Lane, *, patient: bool = False) -> pb.EmbedResponse:
        started = time.monotonic()
        dimension = request.output.dimension or self._model.dimension
        if dimension > self._model.dimension:
            raise invalid(
                "output.dimension", f"the model has {self._model.dimension} dimensions; ask for at most those"
            )
        result = await self._computed(embed_items(request), lane, patient=patient)
        response = pb.EmbedResponse(
            vectors=vector_batch(result.results, request.output.dtype, dimension, self._model.dimension),
            items=embedded_items(result.results),
            model_id=self._model.model_id,
        )
        response.timings.queue_ms = result.timings.queue_ms
        response.timings.tokenize_ms = result.timings.tokenize_ms
        response.timings.compute_ms = result.timings.compute_ms
        response.timings.total_ms = (time.monotonic() - started) * 1000
        return response

    async def _computed(self, items: Sequence[EmbedItem], lane: Lane, *, patient: bool = False) -> EngineResult:
        embed = self._embed_when_there_is_room if patient else self._engine.embed
        with told_as_errors():
            return await embed(items, lane=lane, deadline=current_call().deadline)

    async def _embed_when_there_is_room(
        self, items: Sequence[EmbedItem], *, lane: Lane, deadline: float | None
    ) -> EngineResult:
        """Try again as often as the engine has no room, as long as the call may take; other errors are as they are."""
        while True:
            try:
                return await self._engine.embed(items, lane=lane, deadline=deadline)
            except Overloaded as error:
                if deadline is not None and time.monotonic() + error.retry_after_s >= deadline:
                    raise
                await asyncio.sleep(error.retry_after_s)
