"""The asyncio front of the blocking embedder: requests in, batches through one worker thread, results out.

A batch is everything that waits, up to a budget, and starts the moment the worker is free: nothing waits on an idle
engine, and batches grow by themselves under load.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from attune.embeddings.errors import DeadlineExpiredError, EngineClosedError, Overloaded, TextError
from attune.embeddings.items import EmbeddedBatch, EmbedItem, EmbedResult
from attune.embeddings.lanes import Job, Lane, LaneQueue, Request, estimate_tokens

_SMOOTHING = 0.2
_FIRST_RETRY_S = 1.0  # before any batch has been timed
_SHORTEST_RETRY_S = 0.05


class BatchEmbedder(Protocol):
    """What the engine drives, from its worker thread only. `Embedder` is one."""

    @property
    def max_tokens(self) -> int:
        """The most tokens of one text that are computed."""

    def embed(self, items: Sequence[EmbedItem]) -> EmbeddedBatch:
        """One result for each item, in order."""


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

    `clock` gives monotonic seconds; deadlines are on the same clock. `batch_tokens` bounds a batch, and so how
    long an interactive text waits behind bulk ones; `queue_tokens` bounds what may wait in each lane, so that bulk work
    never shuts interactive work out. Both are in estimated tokens.
    """

    def __init__(
        self,
        embedder: BatchEmbedder,
        *,
        clock: Callable[[], float],
        batch_tokens: int = 2048,
        queue_tokens: int = 65536,
    ) -> None:
        self._embedder = embedder
        self._clock = clock
        self._batch_tokens = batch_tokens
        self._queue_tokens = queue_tokens
        self._queue = LaneQueue()
        self._wake = asyncio.Event()
        self._closing = False
        self._tokens_per_second = 0.0
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def queued_texts(self) -> int:
        """How many texts wait for a batch."""
        return len(self._queue)

    @property
    def queued_tokens(self) -> int:
        """How many tokens wait for a batch, as estimated."""
        return sum(self._queue.tokens(lane) for lane in Lane)

    def start(self) -> None:
        """Start the worker, in the running event loop. Raises `EngineClosedError` the second time."""
        if self._runner is not None:
            raise EngineClosedError("the embedding engine was started before: make a new one")
        self._runner = asyncio.create_task(self._run(), name="embedding-batches")

    async def close(self) -> None:
        """Refuse new requests, finish those that wait, and stop the worker."""
        self._closing = True
        self._wake.set()
        if self._runner is not None:
            await self._runner

    async def embed(
        self, items: Sequence[EmbedItem], *, lane: Lane = Lane.INTERACTIVE, deadline: float | None = None
    ) -> EngineResult:
        """Embed the items in one or more batches.

        A cancelled call's texts are dropped if they still wait. Raises `Overloaded` when the queue has no room,
        `DeadlineExpiredError` when the deadline passes before all texts are computed, `EngineClosedError` unless the
        engine runs, and whatever the embedder raises.
        """
        if self._closing or self._runner is None:
            raise EngineClosedError("the embedding engine is not running: send the request to another replica")
        request = self._request(items, lane, deadline)
        if items:
            self._admit([self._job(request, index, item) for index, item in enumerate(items)], lane)
            await request.done
        return _result(request)

    def _request(self, items: Sequence[EmbedItem], lane: Lane, deadline: float | None) -> Request:
        done = asyncio.get_running_loop().create_future()
        return Request(lane, deadline, self._clock(), done, [None] * len(items))

    def _job(self, request: Request, index: int, item: EmbedItem) -> Job:
        return Job(request, index, item, estimate_tokens(item.text, self._embedder.max_tokens))

    def _admit(self, jobs: Sequence[Job], lane: Lane) -> None:
        cost = sum(job.cost for job in jobs)
        waiting = self._queue.tokens(lane)
        # An empty lane takes any request, or one larger than its budget could never be served.
        if waiting and waiting + cost > self._queue_tokens:
            raise Overloaded(self._retry_after(waiting))
        self._queue.extend(lane, jobs)
        self._wake.set()

    def _retry_after(self, tokens: int) -> float:
        if self._tokens_per_second == 0:
            return _FIRST_RETRY_S
        return max(tokens / self._tokens_per_second, _SHORTEST_RETRY_S)

    async def _run(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="embedding") as worker:
            while True:
                await self._wake.wait()
                batch = self._queue.take(self._batch_tokens, self._is_live)
                if batch:
                    await self._compute(batch, worker)
                elif self._closing:
                    return
                else:
                    self._wake.clear()

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

    async def _compute(self, batch: Sequence[Job], worker: ThreadPoolExecutor) -> None:
        started = self._clock()
        items = [job.item for job in batch]
        try:
            embedded = await asyncio.get_running_loop().run_in_executor(worker, self._embedder.embed, items)
            self._measure(sum(job.cost for job in batch), self._clock() - started)
            _deliver(batch, embedded, started)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers; the engine goes on with the next batch
            _fail(batch, error)

    def _measure(self, tokens: int, seconds: float) -> None:
        """Keep a moving average of the throughput."""
        if seconds > 0:
            rate = tokens / seconds
            previous = self._tokens_per_second or rate
            self._tokens_per_second = _SMOOTHING * rate + (1 - _SMOOTHING) * previous


def _deliver(batch: Sequence[Job], embedded: EmbeddedBatch, started: float) -> None:
    requests = {id(job.request): job.request for job in batch}.values()
    for request in requests:
        request.queue_ms = 1000 * (started - request.enqueued_at)
        request.tokenize_ms += embedded.timings.tokenize_ms
        request.compute_ms += embedded.timings.compute_ms
    for job, result in zip(batch, embedded.results, strict=True):
        job.request.results[job.index] = result.at(job.index) if isinstance(result, TextError) else result
        job.request.remaining -= 1
    for request in requests:
        if request.remaining == 0 and not request.done.done():
            request.done.set_result(None)


def _fail(batch: Sequence[Job], error: Exception) -> None:
    for job in batch:
        if not job.request.done.done():
            job.request.done.set_exception(error)


def _result(request: Request) -> EngineResult:
    results = tuple(result for result in request.results if result is not None)
    return EngineResult(results, EngineTimings(request.queue_ms, request.tokenize_ms, request.compute_ms))
