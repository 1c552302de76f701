"""The ranker among a million queries, and the fallback to it, timed one by one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge_store.retrieval import Mode
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.suggestion_speed.synthetic import Synthetic
from attune.services.cli.measure.suggestion_speed.timing import often_asked, row_of
from attune.services.cli.measure.times import Times
from attune.services.runtime.call import DEFAULT_TENANT, Call, enter_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.queries.model import QueryStatistics
from attune.services.suggestion.ranking.encoder import Embedded
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.situating import Situated, Situating
from attune.services.suggestion.suggester import Outcome, Suggester, Wish
from attune.services.suggestion.suppression import Suppression
from attune.services.suggestion.writing.model import Account, Task, Written

RANKER = "ranker, vectors at hand"
FALLBACK = "fallback, after the language model failed"
_LIMIT = 10
_TURNS = 3
_TITLES = 20
_ENTITIES = 24
_OWN = 64
_DIMENSIONS = 384
_WRITING_S = 0.1
_DEADLINE_S = 30


def ranker_times(found: QueryStatistics, synthetic: Synthetic, count: int, random: Random) -> list[Row]:
    """From a situation to suggestions: looking up, features of each candidate, order, variety.

    Situations are full: three turns, 24 entities of the context and 64 others, twenty titles. Embedding is not timed:
    each text gets some vector at once.
    """
    times = Times()
    embed = _Embedder()
    ranker = RankerPath(embed.vectors, RankerModel.load(None), queries=lambda: found)
    situations = [_situation(synthetic, random) for _ in range(count)]

    async def run() -> None:
        for each in situations:
            started = time.perf_counter()
            await ranker.ranked(each, Screen().allows, _LIMIT)
            times.each.append(1000 * (time.perf_counter() - started))

    asyncio.run(run())
    return [row_of(RANKER, times)]


def fallback_times(found: QueryStatistics, synthetic: Synthetic, count: int, random: Random) -> list[Row]:
    """From the moment in which the language model has failed to the last suggestion of the ranker."""
    times, writer = Times(), _Failing()
    ranker = RankerPath(_Embedder().vectors, RankerModel.load(None), queries=lambda: found)

    async def run() -> None:
        for _ in range(count):
            enter_call(Call("bench", DEFAULT_TENANT, time.monotonic() + _DEADLINE_S))
            suggester = Suggester(_Known(_situation(synthetic, random)), ranker, writer, _DEADLINE_S)
            async for _ in suggester.suggest(Wish("", "", Context(), _LIMIT, use_llm=True), Outcome()):
                pass
            times.each.append(1000 * (time.perf_counter() - writer.failed_at))

    asyncio.run(run())
    return [row_of(FALLBACK, times)]


class _Embedder:
    """Some unit vector for each text."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    async def vectors(self, texts: Sequence[str]) -> Embedded:
        drawn = self._random.standard_normal((len(texts), _DIMENSIONS), dtype=np.float32)
        made: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return Embedded(made, "drawn")


class _Failing:
    """A language model that takes its time, and then does not answer."""

    failed_at = 0.0

    async def write(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:  # noqa: ARG002
        await asyncio.sleep(_WRITING_S)
        self.failed_at = time.perf_counter()
        if task.limit > _LIMIT:  # a generator that gives nothing
            yield Written("", "")
        raise LlmError("it failed")

    async def close(self) -> None:
        pass


class _Known(Situating):
    """Asks nobody: the situation is known."""

    def __init__(self, situation: Situation) -> None:
        self._situated = Situated(situation, (), {}, Suppression(), Screen())

    async def of(self, user: str, query: str, context: Context, *, for_writer: bool) -> Situated:  # noqa: ARG002
        return self._situated


def _situation(synthetic: Synthetic, random: Random) -> Situation:
    texts, ids = synthetic.texts, synthetic.entity_ids()
    drawn = random.sample(range(len(ids)), _ENTITIES + _OWN)
    modes = random.choices(list(Mode), k=len(drawn))
    known = [
        KnownEntity(ids[each], texts[each % len(texts)], mode, random.random(), 1 + random.randrange(9))
        for each, mode in zip(drawn, modes, strict=True)
    ]
    return Situation(
        query=often_asked(texts, random),
        previous_queries=[often_asked(texts, random) for _ in range(_TURNS)],
        page_title=often_asked(texts, random),
        page_text="",
        entities=known[:_ENTITIES],
        titles=[often_asked(texts, random) for _ in range(_TITLES)],
        own=known[_ENTITIES:],
    )
