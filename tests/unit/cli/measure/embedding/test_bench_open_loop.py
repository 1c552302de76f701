"""Requests that do not wait for one another."""

import asyncio
import time
from itertools import cycle

from attune.services.cli.measure.embedding.load.answers import Answer, Outcome
from attune.services.cli.measure.embedding.load.open_loop import open_loop


async def test_requests_are_sent_whatever_became_of_the_others() -> None:
    started: list[float] = []
    all_there = asyncio.Event()

    async def send(_request: bytes, _timeout_s: float) -> Answer:
        started.append(time.perf_counter())
        if len(started) == 4:
            all_there.set()
        await all_there.wait()  # a closed loop would hang here
        return Answer(Outcome.ANSWERED, b"")

    arrived = await open_loop(send, cycle([b"x"]), [0, 0.01, 0.02, 0.03], deadline_s=5)
    assert started[3] - started[0] >= 0.028
    assert [each.outcome for each in arrived] == [Outcome.ANSWERED] * 4
    assert arrived[0].ended_s >= 0.029


async def test_latency_counts_from_the_intended_arrival() -> None:
    async def send(_request: bytes, _timeout_s: float) -> Answer:
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:  # the load generator itself is held up
            pass
        return Answer(Outcome.ANSWERED, b"")

    arrived = await open_loop(send, cycle([b"x"]), [0.0, 0.0, 0.0], deadline_s=5)
    assert arrived[2].sent_s >= 0.035
    assert arrived[2].ended_s >= 0.055


async def test_what_is_sent_late_has_less_time_left() -> None:
    timeouts: list[float] = []

    async def send(_request: bytes, timeout_s: float) -> Answer:
        timeouts.append(timeout_s)
        return Answer(Outcome.REFUSED, b"")

    arrived = await open_loop(send, cycle([b"x"]), [-0.4, -9.0], deadline_s=0.5)
    assert 0.05 < timeouts[0] <= 0.1
    assert timeouts[1] == 0.001  # already over: told to the server all the same
    assert [each.outcome for each in arrived] == [Outcome.REFUSED] * 2
