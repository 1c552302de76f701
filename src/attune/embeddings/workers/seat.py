"""A worker's seat in the engine: what it holds, how fast it is, and whether it lives."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import EmbeddingsError, ModelError, WorkerLostError
from attune.embeddings.lanes import Job
from attune.embeddings.workers.messages import Outcome, Text, WorkerInfo
from attune.embeddings.workers.worker import Worker

_log = logging.getLogger(__name__)
_SMOOTHING = 0.3
_TELLING_S = 0.25
"""How long a worker must have had enough to do for its speed to be counted."""
_BATCHES_HELD = 2
"""One that is computed and one that is next, whatever the window."""
_WORTHWHILE_SHARE = 0.25
"""The share of the window that is worth a message of its own, and that keeps a worker busy."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0


class Seat:
    """Hands jobs to one worker, finds the job of each result, and starts the worker again when it dies.

    `window_tokens` bounds what the worker holds: enough that it need not wait for the next batch, little enough that
    an interactive text does not wait long behind it. `finished` gets the jobs of a batch and its outcome, `failed` the
    jobs of a worker that died; `changed` is called after either, and when a worker is back.
    """

    def __init__(
        self,
        worker: Worker,
        window_tokens: int,
        clock: Callable[[], float],
        finished: Callable[[Sequence[Job], Outcome], None],
        failed: Callable[[Sequence[Job], Exception], None],
        changed: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._window_tokens = window_tokens
        self._clock = clock
        self._finished = finished
        self._failed = failed
        self._changed = changed
        self._held: dict[int, Job] = {}
        self._next_number = 0
        self._revival: asyncio.Task[None] | None = None
        self._busy_since: float | None = None
        self._done_tokens = 0
        self._revision = ""
        self.alive = False
        self.held_tokens = 0
        self.tokens_per_second = 0.0
        self.domains: DomainRegistry | None = None

    async def start(self) -> WorkerInfo:
        """Start the worker. Raises what it cannot start without."""
        info = await self._worker.start(self._receive, self._lost)
        if self._revision not in ("", info.revision):
            await self._worker.close()
            raise ModelError(f"the model's weights are {info.revision} now, not {self._revision}: restart the service")
        self._revision = info.revision
        self.tokens_per_second = info.tokens_per_second
        self._window_tokens = max(self._window_tokens, _BATCHES_HELD * info.batch_tokens)
        self.domains = info.domains
        self.alive = True
        return info

    async def reload(self) -> None:
        """Let the worker load the experts of now. Raises what it cannot load; a dead one will load them anyway."""
        if not self.alive:
            return
        with suppress(WorkerLostError):
            self.domains = await self._worker.reload()

    async def close(self) -> None:
        """End the worker."""
        self.alive = False
        if self._revival is not None:
            self._revival.cancel()
            with suppress(asyncio.CancelledError):
                await self._revival
        await self._worker.close()

    @property
    def _worthwhile_tokens(self) -> float:
        return self._window_tokens * _WORTHWHILE_SHARE

    @property
    def held_s(self) -> float:
        """How long it has to compute what it holds, as estimated."""
        return self.held_tokens / self.tokens_per_second

    @property
    def room(self) -> int:
        """How many tokens more it may hold; none until there is room for a good part of a batch."""
        room = self._window_tokens - self.held_tokens
        return room if self.alive and room >= self._worthwhile_tokens else 0

    def send(self, jobs: Sequence[Job]) -> None:
        """Hand jobs to the worker."""
        texts = []
        for number, job in enumerate(jobs, self._next_number):
            self._held[number] = job
            texts.append(Text(number, job.item, job.request.deadline))
        self._next_number += len(jobs)
        self.held_tokens += sum(job.cost for job in jobs)
        self._worker.send(texts)

    def _receive(self, outcome: Outcome) -> None:
        jobs = [self._held.pop(number) for number in outcome.numbers]
        tokens = sum(job.cost for job in jobs)
        self.held_tokens -= tokens
        self._measure(tokens)
        self._finished(jobs, outcome)
        self._changed()

    def _measure(self, tokens: int) -> None:
        """Keep a moving average of the speed while the worker has enough to do; a trickle says nothing about it."""
        now = self._clock()
        self._done_tokens += tokens
        if self._busy_since is not None and now - self._busy_since >= _TELLING_S:
            rate = self._done_tokens / (now - self._busy_since)
            self.tokens_per_second += _SMOOTHING * (rate - self.tokens_per_second)
            self._busy_since = None
        if self.held_tokens < self._worthwhile_tokens:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since, self._done_tokens = now, 0

    def _lost(self) -> None:
        jobs = list(self._held.values())
        self._held.clear()
        self.held_tokens = 0
        self._busy_since = None  # or the time until it is back would count as slowness
        self.alive = False
        self._failed(jobs, WorkerLostError("the embedding worker died and is being started again: repeat the request"))
        self._revival = asyncio.create_task(self._revive(), name="embedding-worker-revival")
        self._changed()

    async def _revive(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self.alive:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self.start()
            except (EmbeddingsError, OSError) as error:
                _log.warning("the embedding worker did not start; next try in %.2f s: %s", pause_s, error)
        self._changed()
