"""Who writes the suggestions: the language model where there is one and time for it, else the ranker."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.candidates import Candidate, candidates
from attune.services.suggestion.gateway import Acquainted, Gateway, Retrieved
from attune.services.suggestion.known import Situation, normalised
from attune.services.suggestion.ranker import Ranked, rank
from attune.services.suggestion.suppression import Suppression
from attune.services.suggestion.writing.model import Account, Task, Writer

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
    is_written: bool = False
    """Whether the language model wrote it."""


@dataclass(slots=True)
class Outcome:
    """The suggestions, who wrote them, and where the time went."""

    suggestions: list[Suggested] = field(default_factory=list)
    account: Account | None = None
    """What the language model used, where it was asked."""
    fallback_reason: str = ""
    """Why the language model did not answer, or not to the end."""
    notices: list[str] = field(default_factory=list)
    """What the caller should know although nothing failed."""
    milliseconds: dict[str, float] = field(default_factory=dict)


class Suggester:
    """Gathers the situation, then lets the writer or the ranker answer."""

    def __init__(self, gateway: Gateway, writer: Writer | None, llm_timeout_s: float) -> None:
        self._gateway = gateway
        self._writer = writer
        self._llm_timeout_s = llm_timeout_s

    @property
    def has_writer(self) -> bool:
        """Whether a language model is configured."""
        return self._writer is not None

    async def suggest(
        self, user: str, query: str, context: Context, limit: int, outcome: Outcome, *, use_llm: bool, is_streamed: bool
    ) -> AsyncGenerator[Suggested, None]:
        """At most `limit` suggestions, the best first; in `outcome` too, with all else. Streamed, each as it comes.

        The ranker fills up what the language model did not write.
        """
        situation, suppression = await self._situation(user, query, context, outcome, for_writer=use_llm)
        if use_llm and self._writer is not None:
            task = Task(situation, limit, self._time_to_write_s(), is_streamed, suppression.allows)
            async with aclosing(self._by_writer(self._writer, task, outcome)) as written:
                async for each in written:
                    outcome.suggestions.append(each)
                    yield each
            if not outcome.fallback_reason:
                return
        for each in await self._fill(situation, suppression, limit, outcome):
            outcome.suggestions.append(each)
            yield each

    async def _fill(
        self, situation: Situation, suppression: Suppression, limit: int, outcome: Outcome
    ) -> Sequence[Suggested]:
        """The ranker's suggestions that are not there yet."""
        there = {normalised(each.text) for each in outcome.suggestions}
        left = limit - len(there)
        ranked = await self._by_ranker(situation, suppression, limit, outcome) if left else []
        new = [each for each in ranked if normalised(each.text) not in there][:left]
        if not there:
            return new
        return [replace(each, score=1 / place) for place, each in enumerate(new, start=len(there) + 1)]

    def _time_to_write_s(self) -> float:
        return min(self._llm_timeout_s, current_call().remaining_s() - _RESERVE_S)

    async def _situation(
        self, user: str, query: str, context: Context, outcome: Outcome, *, for_writer: bool
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
        is_told = for_writer and self._writer is not None and not known.is_withheld and not suppression.history_until
        summary = await self._gateway.summary(user) if is_told and _is_personal(user, context) else ""
        outcome.milliseconds["retrieve_ms"] = _since(started)
        page = context.turns[-1] if context.turns else None
        situation = Situation(
            query=query,
            previous_queries=[turn.query for turn in context.turns if turn.query],
            page_title=page.title if page else "",
            page_text=page.text if page else "",
            entities=suppression.usable(known.entities),
            titles=retrieved.titles,
            summary=summary,
        )
        return situation, suppression

    async def _known(self, user: str, query: str, context: Context, retrieved: Retrieved) -> Acquainted:
        if not _is_personal(user, context):
            return Acquainted()
        return await self._gateway.entities(user, query, context, retrieved.entity_ids)

    async def _by_writer(self, writer: Writer, task: Task, outcome: Outcome) -> AsyncGenerator[Suggested, None]:
        """What the language model writes; where it does not, or not to the end, the outcome says why."""
        if task.timeout_s <= 0:
            outcome.fallback_reason = "the deadline leaves the language model no time"
            return
        started = time.monotonic()
        outcome.account = account = Account()
        place = 0
        try:
            async with aclosing(writer.write(task, account)) as written:
                async for each in written:
                    place += 1
                    yield Suggested(each.text, each.rationale, 1 / place, each.entity_ids, is_written=True)
        except LlmError as error:
            outcome.fallback_reason = str(error)
            _log.warning("fallback to the ranker", reason=outcome.fallback_reason, failure=error.failure)
        finally:
            outcome.milliseconds["llm_ms"] = _since(started)

    async def _by_ranker(
        self, situation: Situation, suppression: Suppression, limit: int, outcome: Outcome
    ) -> list[Suggested]:
        started = time.monotonic()
        found = [each for each in candidates(situation) if suppression.allows(each.text)]
        ranked = await self._ranked(found, situation, limit) if found else []
        outcome.milliseconds["rank_ms"] = _since(started)
        return [
            Suggested(each.candidate.text, each.candidate.rationale, each.score, _entity_ids(each.candidate))
            for each in ranked
        ]

    async def _ranked(self, found: Sequence[Candidate], situation: Situation, limit: int) -> list[Ranked]:
        context = " ".join([*situation.previous_queries[-2:], situation.query, situation.page_title]).strip()
        texts = [each.about for each in found]
        if not context:
            return rank(found, await self._gateway.vectors(texts), None, limit)
        vectors = await self._gateway.vectors([context, *texts])
        return rank(found, vectors[1:], vectors[0], limit)


def _is_personal(user: str, context: Context) -> bool:
    return bool(user) and not (context.HasField("personalization") and context.personalization == 0)


def _entity_ids(candidate: Candidate) -> tuple[str, ...]:
    return (candidate.entity.entity_id,) if candidate.entity else ()


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
