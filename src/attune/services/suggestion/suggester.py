"""Who writes the suggestions: the language model where there is one and time for it, else the ranker."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.known import Source, normalised
from attune.services.suggestion.ranking.ranker import Ranked
from attune.services.suggestion.ranking.serving import RankerPath, Ranking
from attune.services.suggestion.situating import Situated, Situating, since
from attune.services.suggestion.writing.model import Account, Task, Writer

_log = structlog.get_logger("attune.suggestion")
_RESERVE_S = 0.25
"""Kept of the deadline for the ranker, should the language model not answer in time."""
_NOTHING_TO_WRITE_FROM = (
    "the language model was not asked: there is no query, session or page to write from, and nobody known"
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

    @property
    def is_written(self) -> bool:
        """Whether the language model wrote it."""
        return self.source is None


@dataclass(slots=True)
class Outcome:
    """The suggestions, who wrote them, and where the time went."""

    suggestions: list[Suggested] = field(default_factory=list)
    account: Account | None = None
    """What the language model used, where it was asked."""
    fallback_reason: str = ""
    """Why the language model did not answer, not to the end, or with less than was asked for."""
    notices: list[str] = field(default_factory=list)
    """What the caller should know although nothing failed."""
    milliseconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    user: str
    query: str
    context: Context
    limit: int
    use_llm: bool
    is_streamed: bool = False
    """Whether each suggestion is wanted as soon as it is there."""


class Suggester:
    """Gathers the situation, then lets the writer or the ranker answer."""

    def __init__(self, situating: Situating, ranker: RankerPath, writer: Writer | None, llm_timeout_s: float) -> None:
        self._situating = situating
        self._ranker = ranker
        self._writer = writer
        self._llm_timeout_s = llm_timeout_s

    @property
    def has_writer(self) -> bool:
        """Whether a language model is configured."""
        return self._writer is not None

    async def suggest(self, wish: Wish, outcome: Outcome) -> AsyncGenerator[Suggested, None]:
        """At most `limit` suggestions, the best first; in `outcome` too, with all else.

        The ranker fills up what the language model did not write. Its suggestions are made while that writes: once it
        has failed, no time is left.

        Raises:
            Exception: whatever stopped the ranker, where there is nothing else to show.
        """
        writer = self._writer if wish.use_llm else None
        situated = await self._situating.of(wish.user, wish.query, wish.context, for_writer=writer is not None)
        outcome.notices += situated.notices
        outcome.milliseconds |= situated.milliseconds
        if writer is not None and situated.situation.is_blank:
            writer, outcome.fallback_reason = None, _NOTHING_TO_WRITE_FROM
        ready = asyncio.create_task(self._by_ranker(situated, wish.limit, outcome))
        try:
            if writer is not None:
                task = Task(situated.situation, wish.limit, self._time_to_write_s(), wish.is_streamed, situated.allows)
                async with aclosing(self._by_writer(writer, task, outcome)) as written:
                    async for each in written:
                        yield _leaving(each, situated, outcome)
            if len(outcome.suggestions) < wish.limit:
                for each in _filling(await _made(ready, outcome), outcome.suggestions, wish.limit):
                    yield _leaving(each, situated, outcome)
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)

    def _time_to_write_s(self) -> float:
        return min(self._llm_timeout_s, current_call().remaining_s() - _RESERVE_S)

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
                    yield Suggested(each.text, each.rationale, 1 / place, each.entity_ids)
            if place < task.limit:
                outcome.fallback_reason = f"the language model wrote only {place} of {task.limit} usable suggestions"
        except LlmError as error:
            outcome.fallback_reason = str(error)
            _log.warning("fallback to the ranker", reason=outcome.fallback_reason, failure=error.failure)
        finally:
            outcome.milliseconds["llm_ms"] = since(started)

    async def _by_ranker(self, situated: Situated, limit: int, outcome: Outcome) -> Ranking:
        started = time.monotonic()
        ranking = await self._ranker.ranked(situated.situation, situated.allows, limit)
        outcome.milliseconds["rank_ms"] = since(started)
        return ranking


async def _made(ready: Awaitable[Ranking], outcome: Outcome) -> list[Suggested]:
    """The ranker's suggestions; none, and the outcome says why, where it fails after others were shown."""
    try:
        ranking = await ready
    except Exception:
        if not outcome.suggestions:
            raise
        _log.exception("the ranker failed, and does not fill up")
        outcome.fallback_reason += ", and the ranker, which was to fill up, failed"
        return []
    if ranking.notice:
        outcome.notices.append(ranking.notice)
    return [_suggested(each) for each in ranking.suggestions]


def _leaving(suggested: Suggested, situated: Situated, outcome: Outcome) -> Suggested:
    """As it is shown and noted in the outcome: without its rationale where that says what must not be shown."""
    shown = suggested if situated.screen.allows(suggested.rationale) else replace(suggested, rationale="")
    outcome.suggestions.append(shown)
    return shown


def _filling(ranked: Sequence[Suggested], there: Sequence[Suggested], limit: int) -> list[Suggested]:
    """The ranker's suggestions that are not there yet; scored by their places behind those that are.

    Those have no token. It would tell a place, and how likely the ranker was to put them there, of a list that was not
    shown: who learned from it would take what stood behind others for what stood first.
    """
    if not there:
        return list(ranked)
    known = {normalised(each.text) for each in there}
    new = [each for each in ranked if normalised(each.text) not in known][: limit - len(there)]
    return [replace(each, score=1 / place, token="") for place, each in enumerate(new, start=len(there) + 1)]


def _suggested(ranked: Ranked) -> Suggested:
    candidate = ranked.candidate
    entity_ids = candidate.facts.entity_ids
    return Suggested(candidate.text, candidate.rationale, ranked.score, entity_ids, candidate.source, ranked.token)
