"""A language model in this process: one answer at a time, in a thread, with a bounded queue before it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from attune.services.runtime.llm import LlmError, LlmFailure
from attune.services.suggestion.writing.engines.port import Ask
from attune.services.suggestion.writing.model import Account


class LocalModel(Protocol):
    """A model that generates text, such as attune.embeddings.language_model.LanguageModel."""

    name: str

    def tokens_of(self, messages: Sequence[tuple[str, str]]) -> int:
        """How many tokens the model reads of (role, content) messages."""
        ...

    def generate(
        self, messages: Sequence[tuple[str, str]], most_tokens: int, stopped: threading.Event
    ) -> Iterator[tuple[str, int]]:
        """What the model writes, in pieces, each with how many tokens it took."""
        ...


class InProcess:
    """Asks a model of this process. Whoever would be one too many is refused at once."""

    def __init__(self, model: LocalModel, most_waiting: int) -> None:
        self._model = model
        self._most_waiting = most_waiting
        self._asking = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="attune-llm")

    async def ask(self, ask: Ask, account: Account) -> AsyncGenerator[str, None]:
        """Ask, after those that asked before. The model stops where the caller leaves."""
        if self._asking > self._most_waiting:
            raise LlmError(f"the language model is busy with {self._asking} other questions", LlmFailure.BUSY)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        stopped = threading.Event()

        def hand_over(piece: _Piece) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        account.model = self._model.name
        self._asking += 1
        working = loop.run_in_executor(self._thread, self._generate, ask, hand_over, stopped)
        working.add_done_callback(self._left)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise LlmError("the language model of this process failed", LlmFailure.PROTOCOL) from piece
                text, read, written = piece
                account.prompt_tokens += read
                account.completion_tokens += written
                if text:
                    yield text
        finally:
            stopped.set()
            working.cancel()

    async def close(self) -> None:
        """Let the thread end; what waits is not asked any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _left(self, _working: "asyncio.Future[None]") -> None:
        self._asking -= 1

    def _generate(self, ask: Ask, hand_over: Callable[["_Piece"], None], stopped: threading.Event) -> None:
        """In the thread."""
        messages = [(each.role, each.content) for each in ask.messages]
        try:
            hand_over(("", self._model.tokens_of(messages), 0))
            for text, written in self._model.generate(messages, ask.most_tokens, stopped):
                hand_over((text, 0, written))
        except Exception as error:  # noqa: BLE001 - whatever a model's code raises ends this answer alone
            hand_over(error)
        hand_over(None)


_Piece = tuple[str, int, int] | Exception | None
"""Text with the tokens read and written for it; why there is no more; or the end."""
