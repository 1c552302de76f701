"""The asyncio front of the workers: requests in, texts to the workers as they have room, results out.

Texts go to an idle worker at once, to a busy one in good time, and it computes everything that it holds: nothing waits
on an idle worker, and batches grow by themselves under load.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from attune.embeddings.admission import Backlog, refusal
from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import DeadlineExpiredError, EngineClosedError, TextError, WorkerLostError
from attune.embeddings.items import EmbedItem, EmbedResult
from attune.embeddings.lanes import Job, Lane, LaneQueue, Request, estimate_tokens
from attune.embeddings.workers.messages import Computed, Outcome, WorkerInfo
from attune.embeddings.workers.seat import Seat
from attune.embeddings.workers.worker import Worker

_WORTH_A_MESSAGE = 128
"""Tokens; a worker of several threads may have one that is idle, and longer texts are worth its time at once."""
_COLLECTED_SHARE = 0.6
"""Of the time that the workers have work for: what is sent later than that might come too late."""


@dataclass(frozen=True)
class EngineTimings:
    """Milliseconds until the last text's batch began, and spent in the batches that the request was part of."""

    queue_ms: float
    tokenize_ms: float
    compute_ms: float


@dataclass(frozen=True)
class EngineResult:
    """One result for each item of a request, in order; the index in a `TextError` is the item's place there."""

    results: tuple[EmbedResult, ...]
    timings: EngineTimings


class BatchingEngine:
    """Batches the requests of many callers. Use it as an async context manager, or call `start` and `close`.

    `clock` gives monotonic seconds; deadlines are on the same clock. `window_tokens` (or two of its batches, if they
    are larger) bounds what each worker holds, and
    so how long an interactive text waits behind bulk ones; `collecting_s` is how long texts for busy workers are
    collected at most; `queue_tokens` bounds what may wait in each lane, so that
    bulk work never shuts interactive work out. Both are in estimated tokens.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        *,
        clock: Callable[[], float],
        window_tokens: int = 4096,
        queue_tokens: int = 65536,
        collecting_s: float = 0.005,
    ) -> None:
        self._seats = [
            Seat(worker, window_tokens, clock, self._finish, _fail, self._worker_changed) for worker in workers
        ]
        self._clock = clock
        self._collecting_s = collecting_s
        self._queue_tokens = queue_tokens
        self._queue = LaneQueue()
        self._max_tokens = 0
        self._tell_health: Callable[[bool], None] = lambda _healthy: None
        self._healthy = False
        self._running = False
        self._pump_due: asyncio.Handle | None = None
        self._unanswered = 0
        self._drained = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def queued_texts(self) -> int:
        """How many texts wait for a worker."""
        return len(self._queue)

    @property
    def queued_tokens(self) -> int:
        """How many tokens wait for a worker, as estimated."""
        return sum(self._queue.tokens(lane) for lane in Lane)

    def watch(self, listener: Callable[[bool], None]) -> None:
        """Tell `listener` from now on, each time that this changes, whether any worker lives."""
        self._tell_health = listener

    async def start(self) -> WorkerInfo:
        """Start the workers, which load the same model; say which. Raises what a worker cannot start without."""
        try:
            infos = await asyncio.gather(*(seat.start() for seat in self._seats))
        except BaseException:
            await self._end_workers()
            raise
        self._running = self._healthy = True
        self._max_tokens = infos[0].max_tokens
        return infos[0]

    @property
    def domains(self) -> DomainRegistry:
        """The domains whose experts the workers have loaded."""
        known = (seat.domains for seat in sorted(self._seats, key=lambda seat: not seat.alive))
        return next(domains for domains in known if domains is not None)

    async def reload(self) -> DomainRegistry:
        """Let all workers load the experts that the model directory names now; no text waits for it.

        Raises `ModelError` if a worker cannot load one: it keeps those of before.
        """
        ended = await asyncio.gather(*(seat.reload() for seat in self._seats), return_exceptions=True)
        error = next((each for each in ended if each is not None), None)
        if error is not None:
            raise error
        return self.domains

    async def close(self) -> None:
        """Refuse new requests, finish those that wait, and end the workers."""
        if self._running:
            self._running = False
            if self._unanswered:
                await self._drained.wait()
        await self._end_workers()

    async def embed(
        self, items: Sequence[EmbedItem], *, lane: Lane = Lane.INTERACTIVE, deadline: float | None = None
    ) -> EngineResult:
        """Embed the items in one or more batches.

        A cancelled call's texts are dropped if they still wait. Raises `Overloaded` when the queue has no room or the
        deadline cannot be kept, `DeadlineExpiredError` when it passes before all texts are computed,
        `EngineClosedError` unless the engine runs, and `WorkerLostError` when a worker dies or none lives.
        """
        if not self._running:
            raise EngineClosedError("the embedding engine is not running: send the request to another replica")
        done = asyncio.get_running_loop().create_future()
        request = Request(lane, deadline, self._clock(), done, [None] * len(items))
        if items:
            self._admit([self._job(request, index, item) for index, item in enumerate(items)], request)
            await self._answered(request)
        return _result(request)

    async def _answered(self, request: Request) -> None:
        self._unanswered += 1
        try:
            await request.done
        except BaseException:
            self._queue.drop(request)  # or it would count as waiting, and others be refused for it
            raise
        finally:
            self._unanswered -= 1
            if not self._unanswered and not self._running:
                self._drained.set()

    def _job(self, request: Request, index: int, item: EmbedItem) -> Job:
        return Job(request, index, item, estimate_tokens(item.text, self._max_tokens))

    def _admit(self, jobs: Sequence[Job], request: Request) -> None:
        alive = [seat for seat in self._seats if seat.alive]
        if not alive:
            raise WorkerLostError("the embedding worker died and is being started again: try again in a few seconds")
        backlog = Backlog(
            held=sum(seat.held_tokens for seat in alive),
            queued={lane: self._queue.tokens(lane) for lane in Lane}
            | {request.lane: self._queue.ahead_of(request.lane, len(jobs))},
            tokens_per_second=sum(seat.tokens_per_second for seat in alive),
        )
        time_left = None if request.deadline is None else request.deadline - self._clock()
        refused = refusal(backlog, request.lane, sum(job.cost for job in jobs), time_left, self._queue_tokens)
        if refused is not None:
            raise refused
        self._queue.extend(request.lane, jobs)
        self._pump_soon()

    def _pump_soon(self) -> None:
        # Requests that arrive together leave together: each message costs both processes as much as a short text.
        wait_s = self._wait_s()
        if self._pump_due is not None:
            if wait_s or not isinstance(self._pump_due, asyncio.TimerHandle):
                return
            self._pump_due.cancel()
        loop = asyncio.get_running_loop()
        self._pump_due = loop.call_later(wait_s, self._pump) if wait_s else loop.call_soon(self._pump)

    def _wait_s(self) -> float:
        """How long short texts may be collected: a part of what the workers have to do, nothing if one is idle."""
        if self.queued_tokens >= _WORTH_A_MESSAGE:
            return 0.0
        work_s = min((seat.held_s for seat in self._seats if seat.alive), default=0.0)
        return min(_COLLECTED_SHARE * work_s, self._collecting_s)

    def _pump(self) -> None:
        """Fill the workers."""
        if self._pump_due is not None:
            self._pump_due.cancel()
            self._pump_due = None
        while (roomiest := max(self._seats, key=lambda seat: seat.room)).room:
            batch = self._queue.take(roomiest.room, self._is_live)
            if not batch:
                return
            roomiest.send(batch)

    def _is_live(self, job: Job) -> bool:
        """Whether anyone still waits for the job; a request found expired is told so here."""
        request = job.request
        if request.done.done():
            return False
        if request.deadline is not None and self._clock() >= request.deadline:
            request.done.set_exception(
                DeadlineExpiredError("the deadline passed while the texts waited: allow more time or send fewer")
            )
            return False
        return True

    def _finish(self, jobs: Sequence[Job], outcome: Outcome) -> None:
        vectors = iter(outcome.vectors)
        for job, end in zip(jobs, outcome.ends, strict=True):
            result = end.embedded(next(vectors)) if isinstance(end, Computed) else end
            _deliver(job, result)
        for request in {id(job.request): job.request for job in jobs}.values():
            request.queue_ms = 1000 * max(0.0, outcome.started_at - request.enqueued_at)
            request.tokenize_ms += outcome.tokenize_ms
            request.compute_ms += outcome.compute_ms
            if request.remaining == 0 and not request.done.done():
                request.done.set_result(None)

    def _worker_changed(self) -> None:
        alive = any(seat.alive for seat in self._seats)
        if alive != self._healthy:
            self._healthy = alive
            self._tell_health(alive)
        if alive:
            self._pump()
        else:
            _fail(self._queue.drain(), WorkerLostError("the embedding worker died: repeat the request"))

    async def _end_workers(self) -> None:
        await asyncio.gather(*(seat.close() for seat in self._seats))


def _deliver(job: Job, end: EmbedResult | DeadlineExpiredError) -> None:
    request = job.request
    if isinstance(end, DeadlineExpiredError):
        _fail([job], end)
        return
    request.results[job.index] = end.at(job.index) if isinstance(end, TextError) else end
    request.remaining -= 1


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        if not job.request.done.done():
            job.request.done.set_exception(error)


def _result(request: Request) -> EngineResult:
    results = tuple(result for result in request.results if result is not None)
    return EngineResult(results, EngineTimings(request.queue_ms, request.tokenize_ms, request.compute_ms))
