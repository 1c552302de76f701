"""Closed-loop load: so many callers, each of whom sends the next request when the last is answered."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attune.services.cli.measure.embedding.load.answers import Send
from attune.services.cli.measure.errors import BenchError

_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Slice:
    """The answers of one window."""

    latencies_s: list[float]
    elapsed_s: float
    client_cpu_s: float
    """Processor time of this process in the window: what the load generator took of the machine."""

    def measures(self, texts_per_request: int = 1) -> dict[str, float]:
        """Throughput, latency and the client's own cost."""
        p50, p95, p99 = np.percentile(self.latencies_s, [50, 95, 99]) * 1000
        texts = len(self.latencies_s) * texts_per_request
        return {
            "texts_per_s": texts / self.elapsed_s,
            "p50_ms": float(p50),
            "p95_ms": float(p95),
            "p99_ms": float(p99),
            "client_cpu_ms_per_text": 1000 * self.client_cpu_s / texts,
        }


async def closed_loop(server: str, send: Send, requests: Iterator[bytes], concurrency: int, seconds: float) -> Slice:
    """Answers in a window of `seconds` that opens when each caller has had one answer.

    All requests are answered when this returns: the next server finds the machine idle.

    Raises:
        BenchError: a request was not answered.
    """
    loop = _ClosedLoop(server, send, requests, concurrency, seconds)
    try:
        async with asyncio.TaskGroup() as callers:
            for _ in range(concurrency):
                callers.create_task(loop.caller())
    except* BenchError as errors:
        raise BenchError(str(errors.exceptions[0])) from errors
    return Slice(loop.latencies_s, loop.last_s - loop.opened_s, loop.last_cpu_s - loop.opened_cpu_s)


class _ClosedLoop:
    def __init__(self, server: str, send: Send, requests: Iterator[bytes], concurrency: int, seconds: float) -> None:
        self._server = server
        self._send = send
        self._requests = requests
        self._warming_up = concurrency
        self._seconds = seconds
        self.latencies_s: list[float] = []
        self.opened_s = self.opened_cpu_s = self.last_s = self.last_cpu_s = 0.0

    async def caller(self) -> None:
        await self._ask()
        self._warming_up -= 1
        if not self._warming_up:
            self.opened_s = time.perf_counter()
            self.opened_cpu_s = time.process_time()
        while not self._over():
            started = time.perf_counter()
            await self._ask()
            self._count(started)

    async def _ask(self) -> None:
        answer = await self._send(next(self._requests), _TIMEOUT_S)
        answer.vectors_payload(self._server)

    def _over(self) -> bool:
        """At least one answer is counted, however short the window."""
        return bool(self.latencies_s) and time.perf_counter() >= self.opened_s + self._seconds

    def _count(self, started: float) -> None:
        if self._warming_up or self._over():
            return
        self.last_s = time.perf_counter()
        self.last_cpu_s = time.process_time()
        self.latencies_s.append(self.last_s - started)
