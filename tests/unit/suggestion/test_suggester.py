"""The fallback is made while the language model writes, so that it is there when that fails."""

import asyncio
import time
from types import SimpleNamespace

from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.gateway import Acquainted, Retrieved
from attune.services.suggestion.llm import LlmAnswer, Written
from attune.services.suggestion.ranking.candidates import Candidate, Source
from attune.services.suggestion.ranking.ranker import Ranked
from attune.services.suggestion.suggester import Suggester
from attune.services.suggestion.suppression import Suppression

FALLBACK = Ranked(Candidate("ranked", "", Source.DOCUMENT), 1.0, "token")


class Gateway:
    async def retrieved(self, *_: object) -> Retrieved:
        return Retrieved()

    async def entities(self, *_: object) -> Acquainted:
        return Acquainted()

    async def suppression(self, *_: object) -> Suppression:
        return Suppression()


class Ranker:
    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def ranked(self, *_: object) -> list[Ranked]:
        self.done.set()
        return [FALLBACK]


class FailingWriter:
    """Fails once the ranker is done: it would wait for ever for one that is asked only afterwards."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    async def write(self, *_: object) -> LlmAnswer:
        await self._ranker.done.wait()
        raise LlmError("the language model is down")


class QuickWriter:
    async def write(self, *_: object) -> LlmAnswer:
        return LlmAnswer((Written("written", ""),), "model", 1, 1)


async def test_the_ranker_is_ready_when_the_writer_fails() -> None:
    enter_call(Call("test", "default", time.monotonic() + 30))
    ranker = Ranker()
    suggester = Suggester(Gateway(), ranker, FailingWriter(ranker), 5)  # type: ignore[arg-type]
    outcome = await suggester.suggest("ada", "query", Context(), 5, use_llm=True)
    assert [each.text for each in outcome.suggestions] == ["ranked"]
    assert outcome.fallback_reason == "the language model is down"


async def test_a_ranker_that_is_not_needed_is_stopped() -> None:
    enter_call(Call("test", "default", time.monotonic() + 30))
    stopped = SimpleNamespace(seen=False)

    class Slow:
        async def ranked(self, *_: object) -> list[Ranked]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.seen = True
                raise
            return []

    class Writer(QuickWriter):
        async def write(self, *_: object) -> LlmAnswer:
            await asyncio.sleep(0)  # lets the ranker begin
            return await super().write()

    outcome = await Suggester(Gateway(), Slow(), Writer(), 5).suggest(  # type: ignore[arg-type]
        "ada", "query", Context(), 5, use_llm=True
    )
    assert [each.text for each in outcome.suggestions] == ["written"]
    assert stopped.seen
