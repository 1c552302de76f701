"""Writes suggestions with a language model: asks, asks again where that may help, and gives what stands the checks."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from attune.services.runtime.llm import LlmError, LlmFailure, timed_out
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.writing.answer import OPENING, grammar, schema
from attune.services.suggestion.writing.breaker import Breaker
from attune.services.suggestion.writing.engines.port import Ask, Engine, Message
from attune.services.suggestion.writing.metrics import LlmMetrics
from attune.services.suggestion.writing.model import Account, Task, Written
from attune.services.suggestion.writing.prices import Prices
from attune.services.suggestion.writing.prompt import build_prompt
from attune.services.suggestion.writing.reading import Reading
from attune.services.suggestion.writing.retrying import Retries
from attune.services.suggestion.writing.template import PromptStyle, Template

_TOKENS_EACH = 80
_MOST_TOKENS = 4096
_LAST_PIECES = 8
_SERVER_FAILURES = frozenset({LlmFailure.UNREACHABLE, LlmFailure.PROTOCOL, LlmFailure.BROKEN_OFF})
_FAIR_SHARE = 0.5
"""A server that had less of its time than this, as the caller had no more, was not too slow: nobody knows."""


@dataclass(slots=True)
class Guard:
    """What keeps a server in trouble, and those who ask it, from harm."""

    breaker: Breaker
    retries: Retries
    patience_s: float
    """How long the server may take, where the caller has the time."""

    def told_by(self, error: LlmError, timeout_s: float, until_then: Callable[[], None]) -> Callable[[], None]:
        """What the breaker is to hear of an error, where the answer had `timeout_s` seconds; `until_then` is what it
        would have heard without it.
        """
        if error.failure is LlmFailure.TIMEOUT:
            return self.breaker.failed if timeout_s >= _FAIR_SHARE * self.patience_s else until_then
        is_of_server = error.failure in _SERVER_FAILURES or _is_of_server(error.status)
        return self.breaker.failed if is_of_server else self.breaker.succeeded


class ModelWriter:
    """Writes with one model, asked by one prompt."""

    def __init__(
        self, engine: Engine, template: Template, *, guard: Guard, screen: Screen, prices: Prices, metrics: LlmMetrics
    ) -> None:
        self._engine = engine
        self._template = template
        self._guard = guard
        self._screen = screen
        self._prices = prices
        self._metrics = metrics

    async def write(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:
        """What the model writes and the checks let through; see model.Writer."""
        started = time.monotonic()
        try:
            self._guard.breaker.admit()
            async with aclosing(self._guarded(task, account)) as suggestions:
                async for each in suggestions:
                    yield each
        except LlmError as error:
            self._metrics.failed(error)
            raise
        finally:
            account.cost = self._prices.cost(account)
            self._metrics.count(account, time.monotonic() - started)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    async def _guarded(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:
        """Tells the breaker how it went."""
        breaker = self._guard.breaker
        told = breaker.gave_up
        try:
            async with aclosing(self._written(task, account)) as suggestions:
                async for each in suggestions:
                    told = breaker.succeeded
                    yield each
            told = breaker.succeeded
        except LlmError as error:
            told = self._guard.told_by(error, task.timeout_s, told)
            raise
        finally:
            told()

    async def _written(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:
        deadline = time.monotonic() + task.timeout_s
        started = time.monotonic()
        messages = [Message("user", build_prompt(self._template, task.situation, task.limit))]
        reading = Reading(task, self._screen, primed=messages[0].content.endswith(OPENING))
        async with aclosing(self._read(reading, messages, deadline, account)) as suggestions:
            async for each in suggestions:
                yield each
        took = time.monotonic() - started
        if self._is_worth_repair(reading) and deadline - time.monotonic() > took:
            repaired = Reading(task, self._screen)
            messages += _repair(reading)
            async with aclosing(self._read(repaired, messages, deadline, account)) as suggestions:
                async for each in suggestions:
                    account.is_repaired = True
                    yield each
            reading = repaired
        reading.require()

    def _is_worth_repair(self, reading: Reading) -> bool:
        """A model that is not tuned for instructions would not understand what was wrong."""
        return self._template.style is PromptStyle.CHAT and bool(reading.form_problem) and not reading.kept

    async def _read(
        self, reading: Reading, messages: Sequence[Message], deadline: float, account: Account
    ) -> AsyncGenerator[Written, None]:
        async with aclosing(self._asked(reading.task, messages, deadline, account)) as pieces:
            async for piece in pieces:
                for each in reading.feed(piece):
                    yield each
                if reading.is_done:
                    break
            if reading.is_done:
                await _last(pieces)
                return
        reading.end()

    async def _asked(
        self, task: Task, messages: Sequence[Message], deadline: float, account: Account
    ) -> AsyncGenerator[str, None]:
        """The pieces of an answer; asked again where the server failed, in a way that may pass, before the first."""
        for made in range(self._guard.retries.most + 1):
            ask = Ask(
                messages,
                schema(task.limit),
                grammar(task.limit),
                min(_TOKENS_EACH * (task.limit + 1), _MOST_TOKENS),
                _left(deadline, task),
                task.is_streamed,
            )
            account.attempts += 1
            has_begun = False
            try:
                async with aclosing(_until(self._engine.ask(ask, account), deadline, task.timeout_s)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except LlmError as error:
                pause = None if has_begun else self._guard.retries.pause_s(error, made, deadline - time.monotonic())
                if has_begun:
                    raise _broken_off(error) from error
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                self._guard.retries.budget.answered()
                return


def _is_of_server(status: int | None) -> bool:
    """Whether an HTTP status tells of the server's state; others are about one request, as of a filter or a length."""
    return status is not None and (status == 429 or status >= 500)


def _repair(reading: Reading) -> list[Message]:
    return [
        Message("assistant", reading.text),
        Message(
            "user",
            f"That is not the JSON that was asked for: {reading.form_problem}. Answer again, with nothing but "
            '{"suggestions": [{"query": "...", "rationale": "...", "entities": ["..."]}]}',
        ),
    ]


async def _until(pieces: AsyncGenerator[str, None], deadline: float, timeout_s: float) -> AsyncGenerator[str, None]:
    """The pieces that come before the deadline. Raises LlmError when it passes.

    The time between pieces, when whoever reads them is at work, is no time of the model's to be interrupted in.
    """
    try:
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise timed_out(timeout_s) from error
            yield piece
    finally:
        await pieces.aclose()


async def _last(pieces: AsyncIterator[str]) -> None:
    """Lets the server end its answer: what was used, it tells last. A model that would go on is cut off, and how one
    ends that has said all does not matter.
    """
    with suppress(LlmError):
        for _ in range(_LAST_PIECES):
            if await anext(pieces, None) is None:
                return


def _broken_off(error: LlmError) -> LlmError:
    if error.failure is LlmFailure.TIMEOUT:
        return error
    return LlmError("the language model's server broke off in the middle of its answer", LlmFailure.BROKEN_OFF)


def _left(deadline: float, task: Task) -> float:
    return max(0.001, min(task.timeout_s, deadline - time.monotonic()))
