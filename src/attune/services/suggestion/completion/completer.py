"""CompleteQuery's work: asks others within a short budget, and answers with what came in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.suggestion.completion.candidates import candidates
from attune.services.suggestion.completion.ordering import Scored, beginnings, ordered
from attune.services.suggestion.completion.person import Person
from attune.services.suggestion.gateways.knowledge import Acquainted, KnowledgeGateway
from attune.services.suggestion.gateways.search import SearchGateway
from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.file import folded_prefix
from attune.services.suggestion.queries.live import LiveQueries
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.suppression import Suppression

T = TypeVar("T")
_SHORTEST_FOR_TITLES = 3
"""Fewer letters are in most titles: search would find any."""
_PATIENCE_S = 5.0
"""Search that was too slow is not asked again for so long: it would be too slow for the next letter as well."""
_LATE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # so embedding refuses, through search, what it cannot compute in time
    grpc.StatusCode.CANCELLED,  # by a server that ends
)
_UNKNOWN = (
    "the knowledge service did not answer in time: there are no completions, as what the user has removed is not known"
)
_WITHHELD = (
    "user_id: these completions draw on queries of others, the session and documents alone, as the user does not allow "
    "suggestions from what is known of them; SetConsents grants it, where the user wants that"
)
_UNACQUAINTED = (
    "the knowledge service did not answer in time: these completions draw on nothing of what is known of the user"
)
_NO_TITLES = "the search service did not answer in time: these completions draw on no documents"


@dataclass(slots=True)
class Completed:
    """The completions, the best first."""

    completions: list[Scored] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What the caller should know although nothing failed."""


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What is known of the user, and wanted by them."""

    person: Person
    suppression: Suppression = field(default_factory=Suppression)
    notice: str = ""
    """What is left out of it, and why: a sentence for the caller."""


class Completer:
    """Completes what users type."""

    def __init__(
        self,
        knowledge: KnowledgeGateway,
        search: SearchGateway,
        queries: LiveQueries,
        screen: Screen,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`budget_s` bounds the wait for other services; `clock` measures how long search is left alone."""
        self._knowledge = knowledge
        self._search = search
        self._queries = queries
        self._screen = screen
        self._budget_s = budget_s
        self._clock = clock
        self._search_again_at = 0.0

    async def complete(self, user: str, prefix: str, context: Context, limit: int) -> Completed:
        """At most `limit` completions of what was typed; of an empty prefix, what the user may begin with."""
        typed, completed = folded_prefix(prefix), Completed()
        wishes, titles = await asyncio.gather(self._wishes(user, context), self._titles(typed, completed))
        if wishes is None:
            completed.notices.append(_UNKNOWN)
            return completed
        if wishes.notice:
            completed.notices.append(wishes.notice)
        # In a thread: looking up reads files.
        completed.completions = await asyncio.to_thread(self._chosen, typed, wishes, titles, limit)
        return completed

    def _chosen(self, typed: str, wishes: _Wishes, titles: Sequence[str], limit: int) -> list[Scored]:
        statistics = self._queries.of(current_call().tenant)
        found = candidates(typed, statistics, wishes.person, titles, limit)
        allowed = [each for each in found if wishes.suppression.allows(each.text) and self._screen.allows(each.text)]
        scored = ordered(allowed, wishes.person) if typed else beginnings(allowed, wishes.person, limit)
        return scored[:limit]

    async def _wishes(self, user: str, context: Context) -> _Wishes | None:
        """None where what the user has removed cannot be told in time."""
        session = [turn.query for turn in context.turns if normalised(turn.query)]
        if not user:
            return _Wishes(Person.of((), session))
        suppression, acquainted = await asyncio.gather(
            _in_time(self._knowledge.suppression(user, self._budget_s)), self._acquainted(user, context)
        )
        if suppression is None:
            return None
        if acquainted is None:
            return _Wishes(Person.of((), session), suppression, _UNACQUAINTED)
        person = Person.of(suppression.usable(acquainted.entities), session)
        return _Wishes(person, suppression, _WITHHELD if acquainted.is_withheld else "")

    async def _acquainted(self, user: str, context: Context) -> Acquainted | None:
        """None where it cannot be told in time: unlike removals, it can be done without."""
        if context.HasField("personalization") and context.personalization == 0:
            return Acquainted()
        return await _in_time(self._knowledge.own_entities(user, self._budget_s))

    async def _titles(self, typed: str, completed: Completed) -> Sequence[str]:
        """Titles of documents that the text finds; none where search is slow, and was so a moment ago."""
        if len(typed) < _SHORTEST_FOR_TITLES:
            return ()
        if self._clock() < self._search_again_at:
            completed.notices.append(_NO_TITLES)
            return ()
        try:
            return await self._search.titles(typed, self._budget_s)
        except grpc.aio.AioRpcError as error:
            if error.code() not in (*_LATE, grpc.StatusCode.INVALID_ARGUMENT):
                raise
            if error.code() in _LATE:
                self._search_again_at = self._clock() + _PATIENCE_S
                completed.notices.append(_NO_TITLES)
            return ()


async def _in_time(asked: Awaitable[T]) -> T | None:
    """The answer; None where there is none in time."""
    try:
        return await asked
    except grpc.aio.AioRpcError as error:
        if error.code() in _LATE:
            return None
        raise
