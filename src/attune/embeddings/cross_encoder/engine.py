"""The asyncio front of the cross-encoder: questions in, scores out, and it is started again when it dies."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from attune.embeddings.cross_encoder.messages import Answer, Question, ScorerInfo, ScorerSettings
from attune.embeddings.errors import EmbeddingsError, EngineClosedError, Overloaded, WorkerLostError
from attune.embeddings.workers.child import Child
from attune.embeddings.workers.frames import FrameReceiver

_log = logging.getLogger(__name__)
_MODULE = "attune.embeddings.cross_encoder.main"
_MOST_WAITING = 1024
"""Pairs; more would wait longer than a person does."""
_SMOOTHING = 0.3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0
_END_WITHIN_S = 5.0
_LOST = "the cross-encoder died and is being started again: repeat the request"


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a question's texts in order, and how many milliseconds it waited and was computed."""

    values: Sequence[float]
    queue_ms: float
    compute_ms: float


@dataclass(slots=True)
class _Asked:
    pairs: int
    asked_at: float
    answered: asyncio.Future[Answer]


class PairEngine:
    """Scores texts for queries. `clock` gives monotonic seconds, of which deadlines are too."""

    def __init__(self, settings: ScorerSettings, *, clock: Callable[[], float], module: str = _MODULE) -> None:
        self._settings = settings
        self._clock = clock
        self._child = Child(module)
        self._asked: dict[int, _Asked] = {}
        self._next_number = 0
        self._pairs_per_second = 1.0
        self._model_id = ""
        self._alive = False
        self._closed = False
        self._revival: asyncio.Task[None] | None = None

    @property
    def model_id(self) -> str:
        """Name and revision of the cross-encoder."""
        return self._model_id

    @property
    def pid(self) -> int | None:
        """The process that computes."""
        return self._child.pid

    async def start(self) -> ScorerInfo:
        """Load the model. Raises `ModelError` and `SettingError` for what cannot be loaded, `WorkerLostError` if the
        process dies meanwhile.
        """
        ready: asyncio.Future[ScorerInfo] = asyncio.get_running_loop().create_future()
        await self._child.start(_Connection(ready, self._answer, self._lost))
        self._child.write(self._settings)
        try:
            info = await ready
        except BaseException:
            await self._child.end(0)
            raise
        self._model_id = info.model_id
        self._pairs_per_second = info.pairs_per_second
        self._alive = True
        return info

    async def close(self) -> None:
        """End the process; who still waits is told so."""
        self._closed = True
        self._alive = False
        if self._revival is not None:
            self._revival.cancel()
            with suppress(asyncio.CancelledError):
                await self._revival
        self._fail(EngineClosedError("the cross-encoder is shutting down: send the request to another replica"))
        await self._child.end(_END_WITHIN_S)

    async def score(self, query: str, texts: Sequence[str], *, deadline: float | None = None) -> Scores:
        """How well each text answers the query.

        Raises `Overloaded` when more wait than can be scored in time, `DeadlineExpiredError` when the deadline passes
        before they are, `ComputeError` for what cannot be scored, `EngineClosedError` once it is closed, and
        `WorkerLostError` when the process dies.
        """
        if self._closed:
            raise EngineClosedError("the cross-encoder is shutting down: send the request to another replica")
        if not self._alive:
            raise WorkerLostError(_LOST)
        self._admit(len(texts), deadline)
        number, self._next_number = self._next_number, self._next_number + 1
        asked = _Asked(len(texts), self._clock(), asyncio.get_running_loop().create_future())
        self._asked[number] = asked
        self._child.write(Question(number, query, list(texts), deadline))
        answer = await asked.answered
        if answer.error is not None:
            raise answer.error
        return Scores(answer.scores, 1000 * max(0.0, answer.started_at - asked.asked_at), answer.compute_ms)

    def _admit(self, pairs: int, deadline: float | None) -> None:
        waiting = sum(each.pairs for each in self._asked.values())
        needed_s = (waiting + pairs) / self._pairs_per_second
        left_s = None if deadline is None else deadline - self._clock()
        # Alone, a question is tried: the estimate may be from a time when the machine was busy.
        if waiting and (waiting + pairs > _MOST_WAITING or (left_s is not None and needed_s > left_s)):
            raise Overloaded(waiting / self._pairs_per_second)

    def _answer(self, answer: Answer) -> None:
        asked = self._asked.pop(answer.number, None)
        if asked is None:
            return
        if answer.compute_ms > 0:
            rate = 1000 * asked.pairs / answer.compute_ms
            self._pairs_per_second += _SMOOTHING * (rate - self._pairs_per_second)
        if not asked.answered.done():
            asked.answered.set_result(answer)

    def _lost(self) -> None:
        self._alive = False
        self._fail(WorkerLostError(_LOST))
        if not self._closed:
            self._revival = asyncio.create_task(self._revive(), name="cross-encoder-revival")

    def _fail(self, error: EmbeddingsError) -> None:
        for asked in self._asked.values():
            if not asked.answered.done():
                asked.answered.set_exception(error)
        self._asked.clear()

    async def _revive(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._alive:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self._child.end(0)
                await self.start()
            except (EmbeddingsError, OSError) as error:
                _log.warning("the cross-encoder did not start; next try in %.2f s: %s", pause_s, error)


class _Connection(FrameReceiver):
    """The first frame says what was loaded, or why nothing could be; all others are answers."""

    def __init__(
        self, ready: asyncio.Future[ScorerInfo], answer: Callable[[Answer], None], lost: Callable[[], None]
    ) -> None:
        super().__init__(self._heard, self._hung_up)
        self._ready = ready
        self._tell_answer = answer
        self._tell_lost = lost

    def _heard(self, said: Any) -> None:
        if isinstance(said, Answer):
            self._tell_answer(said)
        elif not self._ready.done():
            if isinstance(said, Exception):
                self._ready.set_exception(said)
            else:
                self._ready.set_result(said)

    def _hung_up(self) -> None:
        if not self._ready.done():
            reason = "the cross-encoder's process ended while it loaded the model: its output above says why"
            self._ready.set_exception(WorkerLostError(reason))
        elif self._ready.exception() is None:
            self._tell_lost()
