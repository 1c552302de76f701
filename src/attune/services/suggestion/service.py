"""SuggestionService: converts, asks the suggester, converts."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import grpc

from attune.services.runtime.errors import failed_precondition, invalid
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.completion.completer import Completer
from attune.services.suggestion.known import Source
from attune.services.suggestion.removing import Remover
from attune.services.suggestion.suggester import Outcome, Suggested, Suggester, Wish
from attune.services.suggestion.writing.model import Account
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
        started = time.monotonic()
        outcome = Outcome()
        async with aclosing(self._suggested(request, outcome, is_streamed=False)) as suggestions:
            shown = [_suggestion(each) async for each in suggestions]
        answer = self._summary(outcome, started)
        answer.suggestions.extend(shown)
        return answer

    async def StreamSuggestQueries(
        self, request: pb.StreamSuggestQueriesRequest, context: Context
    ) -> AsyncIterator[pb.StreamSuggestQueriesResponse]:
        """The same, one by one."""
        started = time.monotonic()
        outcome = Outcome()
        async with aclosing(self._suggested(request.request, outcome, is_streamed=True)) as suggestions:
            async for each in suggestions:
                yield pb.StreamSuggestQueriesResponse(suggestion=_suggestion(each))
        yield pb.StreamSuggestQueriesResponse(summary=self._summary(outcome, started))

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

    def _suggested(
        self, request: pb.SuggestQueriesRequest, outcome: Outcome, *, is_streamed: bool
    ) -> AsyncGenerator[Suggested, None]:
        if request.path == pb.SUGGESTION_PATH_LLM and not self._suggester.has_writer:
            raise failed_precondition(
                "NO_LLM",
                "path: no language model is configured; set ATTUNE_LLM_BASE_URL or ATTUNE_LLM_MODEL_PATH, or ask for "
                "the ranker",
            )
        wish = Wish(
            request.user_id,
            request.query,
            request.context,
            request.limit or _DEFAULT_LIMIT,
            use_llm=request.path != pb.SUGGESTION_PATH_RANKER,
            is_streamed=is_streamed,
        )
        return self._suggester.suggest(wish, outcome)

    def _summary(self, outcome: Outcome, started: float) -> pb.SuggestQueriesResponse:
        """The answer without its suggestions."""
        by_llm = any(each.is_written for each in outcome.suggestions)
        answer = pb.SuggestQueriesResponse(
            path=pb.SUGGESTION_PATH_LLM if by_llm else pb.SUGGESTION_PATH_RANKER,
            fallback_reason=outcome.fallback_reason,
            timings=pb.SuggestTimings(**outcome.milliseconds, total_ms=(time.monotonic() - started) * 1000),
            notices=outcome.notices,
            suggestions_id=uuid4().hex,
        )
        if outcome.account is not None and outcome.account.attempts:
            answer.usage.CopyFrom(_usage(outcome.account))
        self._metrics.suggestions.labels(pb.SuggestionPath.Name(answer.path)).inc()
        return answer


def _suggestion(each: Suggested) -> pb.Suggestion:
    return pb.Suggestion(
        text=each.text,
        rationale=each.rationale,
        entity_ids=each.entity_ids,
        score=each.score,
        path=pb.SUGGESTION_PATH_LLM if each.is_written else pb.SUGGESTION_PATH_RANKER,
        source=pb.SUGGESTION_SOURCE_LLM if each.source is None else _SOURCES[each.source],
        token=each.token,
    )


def _usage(account: Account) -> pb.LlmUsage:
    return pb.LlmUsage(
        model=account.model,
        prompt_tokens=account.prompt_tokens,
        completion_tokens=account.completion_tokens,
        cost=account.cost,
        attempts=account.attempts,
        repaired=account.is_repaired,
    )
