"""Who writes the suggestions: the language model where there is one and time for it, else the ranker."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.gateway import Acquainted, Gateway, Retrieved
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.llm import LlmAnswer, Writer
from attune.services.suggestion.ranking.candidates import Source
from attune.services.suggestion.ranking.ranker import Ranked
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.suppression import Suppression

_log = structlog.get_logger("attune.suggestion")
_RESERVE_S = 0.25
"""Kept of the deadline for the ranker, should the language model not answer in time."""
_WITHHELD = (
    "user_id: these suggestions draw on the query, its session and documents alone, as the user does not allow "
    "suggestions from what is known of them; SetConsents grants it, where the user wants that"
)


@dataclass(frozen=True, slots=True)
class Suggested:
    """A suggestion, whoever wrote it."""

    text: str
    rationale: str
    score: float
    entity_ids: tuple[str, ...] = ()
    source: Source | None = None
    """None: the language model wrote it."""
    token: str = ""


@dataclass(slots=True)
class Outcome:
    """The suggestions, who wrote them, and where the time went."""

    suggestions: list[Suggested] = field(default_factory=list)
    llm: LlmAnswer | None = None
    fallback_reason: str = ""
    notices: list[str] = field(default_factory=list)
    """What the caller should know although nothing failed."""
    milliseconds: dict[str, float] = field(default_factory=dict)


class Suggester:
    """Gathers the situation, then lets the writer or the ranker answer."""

    def __init__(
        self, gateway: Gateway, ranker: RankerPath, writer: Writer | None, llm_timeout_s: float, screen: Screen
    ) -> None:
        self._gateway = gateway
        self._ranker = ranker
        self._writer = writer
        self._llm_timeout_s = llm_timeout_s
        self._screen = screen

    @property
    def has_writer(self) -> bool:
        """Whether a language model is configured."""
        return self._writer is not None

    async def suggest(self, user: str, query: str, context: Context, limit: int, *, use_llm: bool) -> Outcome:
        """At most `limit` suggestions, the best first."""
        outcome = Outcome()
        situation, suppression = await self._situation(user, query, context, outcome)
        if use_llm and self._writer is not None:
            # The fallback is made while the language model writes: once that has failed, no time is left.
            ready = asyncio.create_task(self._by_ranker(situation, suppression, limit, outcome))
            try:
                outcome.suggestions = await self._by_writer(self._writer, situation, suppression, limit, outcome)
                if not outcome.suggestions:
                    outcome.suggestions = await ready
            finally:
                ready.cancel()
                await asyncio.gather(ready, return_exceptions=True)
            return outcome
        outcome.suggestions = await self._by_ranker(situation, suppression, limit, outcome)
        return outcome

    async def _situation(
        self, user: str, query: str, context: Context, outcome: Outcome
    ) -> tuple[Situation, Suppression]:
        started = time.monotonic()
        retrieved = await self._gateway.retrieved(user, query, context)
        outcome.milliseconds["candidates_ms"] = _since(started)
        started = time.monotonic()
        known = await self._known(user, query, context, retrieved)
        if known.is_withheld:
            outcome.notices.append(_WITHHELD)
            retrieved = await self._gateway.retrieved("", query, context)  # those were ranked by what is known
        if retrieved.notice:
            outcome.notices.append(retrieved.notice)
        suppression = await self._gateway.suppression(user) if user else Suppression()
        outcome.milliseconds["retrieve_ms"] = _since(started)
        page = context.turns[-1] if context.turns else None
        situation = Situation(
            query=query,
            previous_queries=[turn.query for turn in context.turns if turn.query],
            page_title=page.title if page else "",
            page_text=page.text if page else "",
            entities=self._usable(known.entities, suppression),
            titles=retrieved.titles,
            own=self._usable(known.own, suppression),
        )
        return situation, suppression

    async def _known(self, user: str, query: str, context: Context, retrieved: Retrieved) -> Acquainted:
        if not user or (context.HasField("personalization") and context.personalization == 0):
            return Acquainted()
        return await self._gateway.entities(user, query, context, retrieved.entity_ids)

    async def _by_writer(
        self, writer: Writer, situation: Situation, suppression: Suppression, limit: int, outcome: Outcome
    ) -> list[Suggested]:
        started = time.monotonic()
        timeout_s = min(self._llm_timeout_s, current_call().remaining_s() - _RESERVE_S)
        if timeout_s <= 0:
            outcome.fallback_reason = "the deadline leaves the language model no time"
            return []
        try:
            async with asyncio.timeout(timeout_s):
                answer = await writer.write(situation, limit, timeout_s)
        except TimeoutError:
            outcome.fallback_reason = f"the language model did not answer within {timeout_s:.1f} s"
        except LlmError as error:
            outcome.fallback_reason = str(error)
        else:
            outcome.llm = answer
            allowed = [each for each in answer.suggestions if self._may_show(each.text, suppression)]
            if not allowed:
                outcome.fallback_reason = "the language model only wrote what the user has removed or must not be shown"
            return [
                Suggested(each.text, each.rationale, 1 / place, _entities_in(each.text, situation))
                for place, each in enumerate(allowed, start=1)
            ]
        finally:
            outcome.milliseconds["llm_ms"] = _since(started)
        _log.warning("fallback to the ranker", reason=outcome.fallback_reason)
        return []

    def _usable(self, entities: Sequence[KnownEntity], suppression: Suppression) -> list[KnownEntity]:
        return [each for each in suppression.usable(entities) if self._screen.allows(each.label)]

    def _may_show(self, text: str, suppression: Suppression) -> bool:
        return suppression.allows(text) and self._screen.allows(text)

    async def _by_ranker(
        self, situation: Situation, suppression: Suppression, limit: int, outcome: Outcome
    ) -> list[Suggested]:
        started = time.monotonic()
        allows = partial(self._may_show, suppression=suppression)
        ranked = await self._ranker.ranked(situation, allows, limit)
        outcome.milliseconds["rank_ms"] = _since(started)
        return [_suggested(each) for each in ranked]


def _suggested(ranked: Ranked) -> Suggested:
    candidate = ranked.candidate
    entity_ids = candidate.facts.entity_ids
    return Suggested(candidate.text, candidate.rationale, ranked.score, entity_ids, candidate.source, ranked.token)


def _entities_in(text: str, situation: Situation) -> tuple[str, ...]:
    return tuple(each.entity_id for each in situation.entities if each.label.casefold() in text.casefold())


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
