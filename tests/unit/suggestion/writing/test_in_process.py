"""The engine of this process: one at a time, a bounded queue, and a model that stops when nobody listens any more."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing

import pytest

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.llm import LlmError, LlmFailure
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.writing.configured import configured_writer
from attune.services.suggestion.writing.engines.in_process import InProcess
from attune.services.suggestion.writing.engines.port import Ask, Message
from attune.services.suggestion.writing.model import Account

ASK = Ask([Message("user", "three words here")], {}, "", 10, 5.0, is_streamed=True)


class Model:
    """Counts up until it is stopped, or for ever."""

    name = "counting"

    def __init__(self, *, endless: bool = False, failing: bool = False) -> None:
        self.endless, self.failing = endless, failing
        self.ended = threading.Event()

    def tokens_of(self, messages: Sequence[tuple[str, str]]) -> int:
        return len(messages[0][1].split())

    def generate(
        self, messages: Sequence[tuple[str, str]], most_tokens: int, stopped: threading.Event
    ) -> Iterator[tuple[str, int]]:
        assert messages
        for number in range(most_tokens):
            yield str(number), 1
        if self.failing:
            raise RuntimeError("out of memory")
        if self.endless:
            stopped.wait()
        self.ended.set()


async def test_pieces_come_with_their_tokens() -> None:
    engine, account = InProcess(Model(), 0), Account()
    assert [piece async for piece in engine.ask(ASK, account)] == [str(number) for number in range(10)]
    assert (account.model, account.prompt_tokens, account.completion_tokens) == ("counting", 3, 10)
    await engine.close()


async def test_one_too_many_is_refused_and_the_next_one_is_not() -> None:
    model = Model(endless=True)
    engine = InProcess(model, 0)
    async with aclosing(engine.ask(ASK, Account())) as pieces:
        assert await anext(pieces) == "0"
        with pytest.raises(LlmError, match="busy") as raised:
            await anext(engine.ask(ASK, Account()))
        assert raised.value.failure is LlmFailure.BUSY
    assert await asyncio.to_thread(model.ended.wait, 10)
    model.endless = False
    assert len([piece async for piece in engine.ask(ASK, Account())]) == 10
    await engine.close()


async def test_what_the_model_raises_ends_its_answer_alone() -> None:
    engine = InProcess(Model(failing=True), 1)
    for _ in range(2):
        with pytest.raises(LlmError, match="of this process failed"):
            _ = [piece async for piece in engine.ask(ASK, Account())]
    await engine.close()


def test_two_models_are_one_too_many(tmp_path) -> None:
    with pytest.raises(ConfigError, match="name two language models"):
        configured_writer(Config(llm_base_url="http://x", llm_model_path=tmp_path), Metrics())


@pytest.mark.parametrize("url", ["banana", "127.0.0.1:8000/v1", "ftp://x/v1", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_LLM_BASE_URL: .* is no address"):
        configured_writer(Config(llm_base_url=url, llm_model="m"), Metrics())


def test_a_model_of_no_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="set ATTUNE_LLM_BASE_URL too"):
        configured_writer(Config(llm_model="m"), Metrics())


def test_without_a_model_there_is_no_writer() -> None:
    assert configured_writer(Config(), Metrics()) is None
