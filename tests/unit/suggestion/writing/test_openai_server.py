"""What is left of an answer that nobody reads to its end."""

import asyncio
import gc
import inspect
from contextlib import aclosing

from tests.fakes.llm_server import llm_server, suggestions

from attune.services.suggestion.writing.engines.openai_server import OpenAiServer
from attune.services.suggestion.writing.engines.port import Ask, Message
from attune.services.suggestion.writing.model import Account

ASK = Ask([Message("user", "What next?")], {}, "", 100, 30, is_streamed=True)


def suspended() -> list[str]:
    """Asynchronous generators that have begun and wait for somebody to read on, of all that there are."""
    found = [each for each in gc.get_objects() if inspect.isasyncgen(each) and each.ag_frame is not None]
    return sorted(each.__qualname__ for each in found if each.ag_frame.f_lineno != each.ag_code.co_firstlineno)


async def test_an_answer_that_is_left_leaves_nothing_to_the_garbage_collector() -> None:
    with llm_server() as server:
        server.answer = suggestions(*(f"topic {number}" for number in range(300)))
        engine = OpenAiServer(server.base_url, "fake-1", "none")
        gc.collect()
        gc.disable()
        try:
            before = suspended()
            async with aclosing(engine.ask(ASK, Account())) as answer:
                assert await anext(answer)
                assert len(suspended()) > len(before)
            async with asyncio.timeout(30):
                while suspended() != before:  # noqa: ASYNC110 - each of them is closed by a task of its own
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()
            await engine.close()
