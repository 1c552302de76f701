import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
import pytest
from tests.unit.embeddings.conftest import until

from attune.embeddings.batching import BatchingEngine
from attune.embeddings.errors import (
    ComputeError,
    DeadlineExpiredError,
    EngineClosedError,
    ModelError,
    Overloaded,
    TextError,
    WorkerLostError,
)
from attune.embeddings.items import Embedded, EmbedItem, EmbedResult
from attune.embeddings.lanes import Lane
from attune.embeddings.workers.messages import Computed, End, Outcome, Text, WorkerInfo

SPEED = 6.0  # tokens a second


class ManualClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class GatedWorker:
    """Computes what it holds when the test says so. Results name the text in `domain`; "bad" and others are errors."""

    def __init__(self, clock: ManualClock) -> None:
        self.sent: list[list[str]] = []
        self.starts = 0
        self.closed = False
        self.failure: Exception | None = None
        self._clock = clock
        self._held: list[Text] = []

    async def start(self, receive: Callable[[Outcome], None], lost: Callable[[], None]) -> WorkerInfo:
        self.starts += 1
        if self.failure is not None:
            raise self.failure
        self._receive, self._lost = receive, lost
        return WorkerInfo("model", "1", 1, 16, "fp32", "cpu", (), SPEED, batch_tokens=0)

    def send(self, texts: Sequence[Text]) -> None:
        self.sent.append([text.item.text for text in texts])
        self._held.extend(texts)

    async def close(self) -> None:
        self.closed = True

    @property
    def held(self) -> list[str]:
        return [text.item.text for text in self._held]

    def finish(self, count: int | None = None) -> None:
        """Computes the first `count` texts that it holds, or all of them, as one batch."""
        batch, self._held = self._held[:count], self._held[len(self._held) if count is None else count :]
        ends = [_end(index, text.item.text) for index, text in enumerate(batch)]
        vectors = np.zeros((sum(isinstance(end, Computed) for end in ends), 1), np.float32)
        self._receive(Outcome([text.number for text in batch], ends, vectors, self._clock.now, 1.0, 10.0))

    def die(self) -> None:
        self._held = []
        self._lost()


def _end(index: int, text: str) -> End:
    errors = {
        "bad": TextError(index, "bad text"),
        "late": DeadlineExpiredError("too late"),
        "oom": ComputeError("out of memory"),
    }
    return errors.get(text) or Computed(domain=text, token_count=1, truncated=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def worker(clock) -> GatedWorker:
    return GatedWorker(clock)


@pytest.fixture
async def engine(worker, clock) -> AsyncIterator[BatchingEngine]:
    """Every text of these tests costs 3 tokens: the worker holds 4 at most, each lane of the queue 10."""
    running = BatchingEngine([worker], clock=clock, window_tokens=12, queue_tokens=30, collecting_s=0)
    await running.start()
    yield running
    closing = asyncio.create_task(running.close())
    while not closing.done():
        worker.finish()
        await asyncio.sleep(0)


def items(*texts: str) -> list[EmbedItem]:
    return [EmbedItem(text) for text in texts]


def names(results: Sequence[EmbedResult]) -> list[str]:
    return [result.domain for result in results if isinstance(result, Embedded)]


async def settle() -> None:
    """Lets everything happen that needs no worker."""
    for _ in range(10):
        await asyncio.sleep(0)


async def submit(engine: BatchingEngine, *texts: str, **options) -> asyncio.Task:  # noqa: ANN003 - those of embed
    """Starts a request and returns when its texts are with the worker or in the queue."""
    task = asyncio.create_task(engine.embed(items(*texts), **options))
    await settle()
    return task


async def occupy(engine: BatchingEngine, worker: GatedWorker) -> asyncio.Task:
    """Fills the worker, so that what is submitted next waits."""
    task = await submit(engine, "1", "2", "3", "4")
    worker.sent.clear()
    return task


async def finish_all(worker: GatedWorker) -> None:
    while worker.held:
        worker.finish()
        await settle()


async def test_results_come_in_the_order_of_the_items(engine, worker):
    task = await submit(engine, "a", "b", "c")
    worker.finish(2)
    worker.finish()
    assert names((await task).results) == ["a", "b", "c"]


async def test_an_idle_worker_gets_texts_at_once(engine, worker):
    await submit(engine, "a")
    assert worker.held == ["a"]


async def test_a_worker_gets_more_before_it_is_done(engine, worker):
    await submit(engine, "a")
    await submit(engine, "b")
    assert worker.held == ["a", "b"]


async def test_what_arrives_together_leaves_together(engine, worker):
    tasks = [asyncio.create_task(engine.embed(items(name))) for name in "abc"]
    await settle()
    assert worker.sent == [["a", "b", "c"]]
    worker.finish()
    assert [names((await task).results) for task in tasks] == [["a"], ["b"], ["c"]]


async def test_a_large_request_goes_as_there_is_room(engine, worker):
    task = await submit(engine, *"abcdefghi")
    await finish_all(worker)
    assert names((await task).results) == list("abcdefghi")
    assert worker.sent == [list("abcd"), list("efgh"), ["i"]]


async def test_a_request_reports_the_time_of_all_its_batches(engine, worker, clock):
    task = await submit(engine, *"abcde")
    worker.finish()
    await settle()
    clock.now += 0.25
    worker.finish()
    timings = (await task).timings
    assert (timings.queue_ms, timings.tokenize_ms, timings.compute_ms) == (250.0, 2.0, 20.0)


async def test_interactive_texts_overtake_bulk_ones(engine, worker):
    await occupy(engine, worker)
    await submit(engine, *"567890", lane=Lane.BULK)
    await submit(engine, *"ab", lane=Lane.INTERACTIVE)
    await finish_all(worker)
    assert worker.sent == [["a", "b", "5", "6"], ["7", "8", "9", "0"]]


async def test_bulk_texts_move_on_under_interactive_load(engine, worker):
    await occupy(engine, worker)
    await submit(engine, *"56", lane=Lane.BULK)
    await submit(engine, *"abcdefgh", lane=Lane.INTERACTIVE)
    await finish_all(worker)
    assert worker.sent[:2] == [["a", "b", "c", "5"], ["d", "e", "f", "6"]]


async def test_workers_share_the_work(clock):
    workers = [GatedWorker(clock), GatedWorker(clock)]
    engine = BatchingEngine(workers, clock=clock, window_tokens=12)
    await engine.start()
    task = await submit(engine, *"abcdefgh")
    assert [len(worker.held) for worker in workers] == [4, 4]
    for worker in workers:
        worker.finish()
    assert names((await task).results) == list("abcdefgh")
    await engine.close()


async def test_a_cancelled_requests_texts_are_dropped(engine, worker):
    await occupy(engine, worker)
    cancelled = await submit(engine, *"ab")
    kept = await submit(engine, "c")
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await finish_all(worker)
    assert worker.sent == [["c"]]
    assert names((await kept).results) == ["c"]


async def test_a_request_cancelled_while_computed_harms_no_other(engine, worker):
    cancelled, kept = await submit(engine, "a"), await submit(engine, "b")
    cancelled.cancel()
    await asyncio.wait([cancelled])
    worker.finish()
    assert names((await kept).results) == ["b"]


async def test_expired_texts_are_dropped_and_their_caller_told(engine, worker, clock):
    await occupy(engine, worker)
    expired = await submit(engine, "a", deadline=clock.now + 10.0)
    kept = await submit(engine, "b", deadline=clock.now + 20.0)
    clock.now += 10.0
    await finish_all(worker)
    with pytest.raises(DeadlineExpiredError, match="the deadline passed while the texts waited"):
        await expired
    assert worker.sent == [["b"]]
    assert names((await kept).results) == ["b"]


async def test_a_request_that_expires_half_way_is_not_computed_further(engine, worker, clock):
    task = await submit(engine, *"abcdefg", deadline=clock.now + 1.0)
    clock.now += 2.0
    worker.finish()
    with pytest.raises(DeadlineExpiredError):
        await task
    assert worker.sent == [list("abcd")]
    assert engine.queued_texts == 0


async def test_a_text_that_expires_in_the_worker_ends_its_request(engine, worker):
    task, other = await submit(engine, "a", "late"), await submit(engine, "b")
    worker.finish()
    with pytest.raises(DeadlineExpiredError, match="too late"):
        await task
    assert names((await other).results) == ["b"]


async def test_a_full_lane_refuses_at_once(engine, worker):
    await occupy(engine, worker)
    for text in "abcdefghij":
        await submit(engine, text)
    assert (engine.queued_texts, engine.queued_tokens) == (10, 30)
    with pytest.raises(Overloaded) as refused:
        await engine.embed(items("k"))
    assert refused.value.retry_after_s == pytest.approx((12 + 30) / SPEED)


async def test_a_large_request_shuts_the_lane_for_nobody(engine, worker, clock):
    await occupy(engine, worker)
    large = await submit(engine, *"abcdefghijklmnop")
    small = await submit(engine, "z", deadline=clock.now + 10.0)  # three times as long as occupied, a and z take
    worker.finish()
    assert worker.sent == [["a", "z", "b", "c"]]
    await finish_all(worker)
    assert (len((await large).results), names((await small).results)) == (16, ["z"])


async def test_what_cannot_be_in_time_is_refused_at_once(engine, worker, clock):
    await occupy(engine, worker)
    with pytest.raises(Overloaded):
        await engine.embed(items("a"), deadline=clock.now + 2.0)
    assert engine.queued_texts == 0


async def test_a_full_bulk_lane_leaves_the_interactive_one_open(engine, worker):
    await occupy(engine, worker)
    for text in "abcdefghij":
        await submit(engine, text, lane=Lane.BULK)
    with pytest.raises(Overloaded):
        await engine.embed(items("k"), lane=Lane.BULK)
    await submit(engine, "k", lane=Lane.INTERACTIVE)
    await finish_all(worker)
    assert worker.sent[0] == ["k", "a", "b", "c"]


async def test_a_refused_request_leaves_nothing_behind(engine, worker):
    await occupy(engine, worker)
    await submit(engine, *"abcdefgh")
    with pytest.raises(Overloaded):
        await engine.embed(items(*"klm"))
    await submit(engine, *"ij")
    await finish_all(worker)
    assert sorted(text for batch in worker.sent for text in batch) == list("abcdefghij")


async def test_an_empty_lane_takes_a_request_larger_than_itself(engine, worker):
    task = await submit(engine, *"abcdefghijklmnop")
    await finish_all(worker)
    assert len((await task).results) == 16


async def test_the_speed_is_measured_while_there_is_enough_to_do(engine, worker, clock):
    await submit(engine, *"abcdefghijklmnop")
    for _ in range(3):
        clock.now += 0.5  # 4 texts a second: 12 tokens
        worker.finish(2)
        await settle()
    with pytest.raises(Overloaded) as refused:
        await engine.embed(items("q"), deadline=clock.now + 0.5)
    faster = SPEED + 0.3 * (12 - SPEED)
    faster += 0.3 * (12 - faster)
    assert refused.value.retry_after_s == pytest.approx((12 + 3 + 3) / faster - 0.5 / 3)


async def test_an_error_keeps_its_place_in_its_own_request(engine, worker):
    good, mixed = await submit(engine, "a", "b"), await submit(engine, "oom", "bad")
    worker.finish()
    assert names((await good).results) == ["a", "b"]
    failed, bad = (await mixed).results
    assert isinstance(failed, ComputeError)
    assert isinstance(bad, TextError)
    assert (bad.index, bad.reason) == (1, "bad text")


async def test_a_worker_that_dies_fails_what_it_held_and_is_started_again(engine, worker):
    told: list[bool] = []
    engine.watch(told.append)
    held = await occupy(engine, worker)
    queued = await submit(engine, "a")
    worker.die()
    for task in (held, queued):
        with pytest.raises(WorkerLostError):
            await task
    with pytest.raises(WorkerLostError, match="try again"):
        await engine.embed(items("b"))
    await until(lambda: told == [False, True])
    task = await submit(engine, "c")
    worker.finish()
    assert names((await task).results) == ["c"]
    assert worker.starts == 2


async def test_another_worker_goes_on_where_one_dies(clock):
    dying, living = GatedWorker(clock), GatedWorker(clock)
    engine = BatchingEngine([dying, living], clock=clock, window_tokens=12)
    told: list[bool] = []
    engine.watch(told.append)
    await engine.start()
    first = await submit(engine, "a")
    dying.die()
    with pytest.raises(WorkerLostError):
        await first
    second = await submit(engine, "b")
    living.finish()
    assert names((await second).results) == ["b"]
    assert told == []
    await engine.close()


async def test_a_worker_that_cannot_start_ends_the_others(clock):
    starting, failing = GatedWorker(clock), GatedWorker(clock)
    failing.failure = ModelError("no such model")
    with pytest.raises(ModelError, match="no such model"):
        await BatchingEngine([starting, failing], clock=clock).start()
    assert starting.closed


async def test_no_items_need_no_worker(engine, worker):
    assert (await engine.embed([])).results == ()
    assert worker.sent == []


async def test_closing_finishes_what_waits_and_refuses_the_rest(worker, clock):
    engine = BatchingEngine([worker], clock=clock, window_tokens=12)
    await engine.start()
    waiting = await submit(engine, *"abcdef")
    closing = asyncio.create_task(engine.close())
    await settle()
    with pytest.raises(EngineClosedError, match="is not running"):
        await engine.embed(items("late"))
    assert not closing.done()
    await finish_all(worker)
    await closing
    assert names(waiting.result().results) == list("abcdef")
    assert worker.closed


async def test_closing_an_idle_engine_returns(worker, clock):
    async with BatchingEngine([worker], clock=clock):
        pass
    assert worker.closed


async def test_an_engine_that_was_not_started_refuses(worker, clock):
    with pytest.raises(EngineClosedError):
        await BatchingEngine([worker], clock=clock).embed(items("a"))


async def test_texts_for_a_busy_worker_are_collected_into_one_message(worker, clock):
    async with BatchingEngine([worker], clock=clock, window_tokens=120, queue_tokens=300, collecting_s=0.2) as engine:
        calls = [asyncio.create_task(engine.embed(items(name))) for name in "ab"]
        await until(lambda: worker.held == ["a", "b"])  # it was idle: at once
        calls += [await submit(engine, name) for name in "cde"]
        assert worker.sent == [["a", "b"]]
        await until(lambda: len(worker.held) == 5)
        assert worker.sent[1:] == [["c", "d", "e"]]
        worker.finish()
        await asyncio.gather(*calls)


async def test_collected_texts_leave_when_the_worker_has_finished(worker, clock):
    async with BatchingEngine([worker], clock=clock, window_tokens=120, queue_tokens=300, collecting_s=60) as engine:
        first = await submit(engine, "a")
        second = await submit(engine, "b")
        assert worker.held == ["a"]
        worker.finish()
        assert worker.held == ["b"]
        worker.finish()
        await asyncio.gather(first, second)


async def test_enough_tokens_for_a_message_are_not_collected_for_longer(worker, clock):
    async with BatchingEngine([worker], clock=clock, window_tokens=4096, collecting_s=60) as engine:
        calls = [await submit(engine, "a")]
        calls += [await submit(engine, "word " * 16) for _ in range(3)]
        assert len(worker.held) == 1
        calls += [await submit(engine, "word " * 16) for _ in range(8)]
        await until(lambda: len(worker.held) > 1)
        while not all(call.done() for call in calls):
            worker.finish()
            await asyncio.sleep(0)
