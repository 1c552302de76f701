"""Callers that wait for their answers."""

import asyncio
from itertools import count, cycle

import pytest

from attune.services.cli.measure.embedding.load.answers import Answer, Outcome
from attune.services.cli.measure.embedding.load.closed_loop import Slice, closed_loop
from attune.services.cli.measure.errors import BenchError


async def test_so_many_requests_are_in_flight_and_none_is_left() -> None:
    in_flight: list[int] = []
    seen: list[int] = []

    async def send(_request: bytes, _timeout_s: float) -> Answer:
        in_flight.append(1)
        seen.append(len(in_flight))
        await asyncio.sleep(0.001)
        in_flight.pop()
        return Answer(Outcome.ANSWERED, b"")

    await closed_loop("attune", send, cycle([b"x"]), 5, 0.02)
    assert max(seen) == 5
    assert in_flight == []


async def test_the_window_opens_when_every_caller_was_answered_once() -> None:
    numbers = count()
    first = asyncio.Event()

    async def send(_request: bytes, _timeout_s: float) -> Answer:
        number = next(numbers)
        if number == 0:  # the first caller is still warming up while the other has many answers
            await first.wait()
        elif number == 50:
            first.set()
        await asyncio.sleep(0)
        return Answer(Outcome.ANSWERED, b"")

    measured = await closed_loop("attune", send, cycle([b"x"]), 2, 0.01)
    assert len(measured.latencies_s) <= next(numbers) - 50
    assert measured.elapsed_s < 0.1


async def test_however_short_the_window_one_answer_is_counted() -> None:
    async def send(_request: bytes, _timeout_s: float) -> Answer:
        await asyncio.sleep(0.01)
        return Answer(Outcome.ANSWERED, b"")

    measured = await closed_loop("attune", send, cycle([b"x"]), 1, 1e-9)
    assert len(measured.latencies_s) == 1
    assert measured.elapsed_s >= 0.009


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.EXPIRED, Outcome.FAILED])
async def test_a_request_that_is_not_answered_ends_the_run(outcome: Outcome) -> None:
    async def send(_request: bytes, _timeout_s: float) -> Answer:
        return Answer(outcome, b"no room")

    with pytest.raises(BenchError, match=rf"attune {outcome} a request \(no room\)"):
        await closed_loop("attune", send, cycle([b"x"]), 3, 0.01)


async def test_requests_are_sent_in_their_order() -> None:
    sent: list[bytes] = []

    async def send(request: bytes, _timeout_s: float) -> Answer:
        sent.append(request)
        return Answer(Outcome.ANSWERED, b"")

    await closed_loop("attune", send, (str(number).encode() for number in count()), 1, 0.001)
    assert sent == [str(number).encode() for number in range(len(sent))]


def test_measures_are_percentiles_in_milliseconds_and_rates() -> None:
    measured = Slice([number / 1000 for number in range(1, 101)], elapsed_s=2.0, client_cpu_s=0.1)
    measures = measured.measures(texts_per_request=32)
    assert measures["texts_per_s"] == 1600
    assert measures["p50_ms"] == pytest.approx(50.5)
    assert measures["p95_ms"] == pytest.approx(95.05)
    assert measures["p99_ms"] == pytest.approx(99.01)
    assert measures["client_cpu_ms_per_text"] == pytest.approx(100 / 3200)
