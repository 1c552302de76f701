"""Open-loop load: requests arrive when they arrive, whatever became of the others."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attune.services.cli.measure.embedding.load.answers import Answer, Outcome, Send

_LEAST_TIMEOUT_S = 0.001


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one request, in seconds from when it was to arrive, not from when it was sent.

    So a request that a busy load generator sends late counts as late (no coordinated omission).
    """

    outcome: Outcome
    sent_s: float
    ended_s: float


async def open_loop(
    send: Send, requests: Iterator[bytes], arrivals: Sequence[float], deadline_s: float
) -> list[Arrival]:
    """Send a request at each of `arrivals`, seconds from now; each may take `deadline_s` from then."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for at in arrivals:
            await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
            tasks.append(group.create_task(_arrive(send, next(requests), start + at, deadline_s)))
    return [task.result() for task in tasks]


async def _arrive(send: Send, request: bytes, due_s: float, deadline_s: float) -> Arrival:
    sent_s = time.perf_counter() - due_s
    answer: Answer = await send(request, max(_LEAST_TIMEOUT_S, deadline_s - sent_s))
    return Arrival(answer.outcome, sent_s, time.perf_counter() - due_s)
