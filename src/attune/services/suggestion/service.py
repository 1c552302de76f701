"""SuggestionService: converts, asks the suggester, converts."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc

from attune.services.runtime.errors import failed_precondition, invalid
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.completion.candidates import Source
from attune.services.suggestion.completion.completer import Completer
from attune.services.suggestion.removing import Remover
from attune.services.suggestion.suggester import Outcome, Suggester
from attune.suggestion.v1 import suggestion_pb2 as pb
from attune.suggestion.v1.suggestion_pb2_grpc import SuggestionServiceServicer

_DEFAULT_LIMIT = 5
_DEFAULT_COMPLETIONS = 10
_SOURCES = {
    Source.OTHER_USERS: pb.SUGGESTION_SOURCE_OTHER_USERS,
    Source.ENTITY: pb.SUGGESTION_SOURCE_ENTITY,
    Source.DOCUMENT: pb.SUGGESTION_SOURCE_DOCUMENT,
}
Context = grpc.aio.ServicerContext[Any, Any]


class SuggestionServicer(SuggestionServiceServicer):
    """The gRPC face of suggestion."""

    def __init__(self, suggester: Suggester, completer: Completer, remover: Remover, metrics: Metrics) -> None:
        self._suggester = suggester
        self._completer = completer
        self._remover = remover
        self._metrics = metrics

    async def SuggestQueries(self, request: pb.SuggestQueriesRequest, context: Context) -> pb.SuggestQueriesResponse:
        """The next queries, the best first."""
        return await self._answer(request)

    async def StreamSuggestQueries(
        self, request: pb.StreamSuggestQueriesRequest, context: Context
    ) -> AsyncIterator[pb.StreamSuggestQueriesResponse]:
        """The same, one by one."""
        answer = await self._answer(request.request)
        for each in answer.suggestions:
            yield pb.StreamSuggestQueriesResponse(suggestion=each)
        del answer.suggestions[:]
        yield pb.StreamSuggestQueriesResponse(summary=answer)

    async def CompleteQuery(self, request: pb.CompleteQueryRequest, context: Context) -> pb.CompleteQueryResponse:
        """What a text may become."""
        started = time.monotonic()
        limit = request.limit or _DEFAULT_COMPLETIONS
        completed = await self._completer.complete(request.user_id, request.prefix, request.context, limit)
        response = pb.CompleteQueryResponse(notices=completed.notices)
        for each in completed.completions:
            found = each.candidate
            response.completions.add(
                text=found.text, source=_SOURCES[found.source], entity_ids=found.entity_ids, score=each.score
            )
        response.total_ms = (time.monotonic() - started) * 1000
        return response

    async def RemoveSuggestion(
        self, request: pb.RemoveSuggestionRequest, context: Context
    ) -> pb.RemoveSuggestionResponse:
        """Remember what the user wants no more."""
        if request.all_history:
            await self._remover.remove_history(request.user_id)
            return pb.RemoveSuggestionResponse()
        if not request.text.strip():
            raise invalid("text", "is blank; send the text of the suggestion as it was shown")
        about = await self._remover.remove(request.user_id, request.text, request.entity_ids)
        return pb.RemoveSuggestionResponse(entity_ids=about)

    async def _answer(self, request: pb.SuggestQueriesRequest) -> pb.SuggestQueriesResponse:
        started = time.monotonic()
        if request.path == pb.SUGGESTION_PATH_LLM and not self._suggester.has_writer:
            raise failed_precondition(
                "NO_LLM", "path: no language model is configured; set ATTUNE_LLM_BASE_URL, or ask for the ranker"
            )
        outcome = await self._suggester.suggest(
            request.user_id,
            request.query,
            request.context,
            request.limit or _DEFAULT_LIMIT,
            use_llm=request.path != pb.SUGGESTION_PATH_RANKER,
        )
        answer = _response(outcome)
        answer.timings.total_ms = (time.monotonic() - started) * 1000
        self._metrics.suggestions.labels(pb.SuggestionPath.Name(answer.path)).inc()
        return answer


def _response(outcome: Outcome) -> pb.SuggestQueriesResponse:
    by_llm = outcome.llm is not None and not outcome.fallback_reason
    path = pb.SUGGESTION_PATH_LLM if by_llm else pb.SUGGESTION_PATH_RANKER
    response = pb.SuggestQueriesResponse(
        path=path,
        fallback_reason=outcome.fallback_reason,
        timings=pb.SuggestTimings(**outcome.milliseconds),
        notices=outcome.notices,
        suggestions_id=uuid4().hex,
    )
    for each in outcome.suggestions:
        response.suggestions.add(
            text=each.text,
            rationale=each.rationale,
            entity_ids=each.entity_ids,
            score=each.score,
            path=path,
            source=pb.SUGGESTION_SOURCE_LLM if each.source is None else each.source.value,
            token=each.token,
        )
    if outcome.llm is not None:
        response.usage.model = outcome.llm.model
        response.usage.prompt_tokens = outcome.llm.prompt_tokens
        response.usage.completion_tokens = outcome.llm.completion_tokens
    return response
