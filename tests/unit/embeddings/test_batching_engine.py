import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from attune.embeddings.batching import BatchingEngine
from attune.embeddings.errors import DeadlineExpiredError, EngineClosedError, Overloaded, TextError
from attune.embeddings.items import Embedded, EmbeddedBatch, EmbedItem, EmbedResult, Timings
from attune.embeddings.lanes import Lane

TIMEOUT_S = 10.0


class ManualClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class GatedEmbedder:
    """Computes a batch only when the test lets it. Results name the text in `domain`; the text "bad" is an error."""

    max_tokens = 16

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.failure: Exception | None = None
        self._entered = threading.Semaphore(0)
        self._permits = threading.Semaphore(0)

    def embed(self, items: Sequence[EmbedItem]) -> EmbeddedBatch:
        self.threads.add(threading.get_ident())
        self.batches.append([item.text for item in items])
        self._entered.release()
        if not self._permits.acquire(timeout=TIMEOUT_S):
            raise TimeoutError("the test never let the batch go")
        if self.failure is not None:
            raise self.failure
        results = tuple(self._result(index, item) for index, item in enumerate(items))
        return EmbeddedBatch(results, Timings(tokenize_ms=1.0, compute_ms=10.0))

    def let_go(self, batches: int = 1) -> None:
        self._permits.release(batches)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.acquire, timeout=TIMEOUT_S)

    @staticmethod
    def _result(index: int, item: EmbedItem) -> EmbedResult:
        if item.text == "bad":
            return TextError(index, "bad text")
        return Embedded(vector=None, domain=item.text, token_count=1, truncated=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def embedder() -> GatedEmbedder:
    return GatedEmbedder()


@pytest.fixture
async def engine(embedder, clock) -> AsyncIterator[BatchingEngine]:
    """Every text of these tests costs 3 tokens: a batch has room for 4, each lane of the queue for 10."""
    async with BatchingEngine(embedder, clock=clock, batch_tokens=12, queue_tokens=30) as running:
        yield running
        embedder.let_go(100)


def items(*texts: str) -> list[EmbedItem]:
    return [EmbedItem(text) for text in texts]


def names(results: Sequence[EmbedResult]) -> list[str]:
    return [result.domain for result in results if isinstance(result, Embedded)]


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until the condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("the condition never held")


async def submit(engine: BatchingEngine, *texts: str, **options) -> asyncio.Task:  # noqa: ANN003 - those of embed
    """Starts a request and returns when its texts wait in the queue, so that requests have an order."""
    waiting = engine.queued_texts
    task = asyncio.create_task(engine.embed(items(*texts), **options))
    await until(lambda: task.done() or engine.queued_texts == waiting + len(texts))
    return task


async def occupy(engine: BatchingEngine, embedder: GatedEmbedder) -> asyncio.Task:
    """Makes the worker busy, so that what is submitted next waits."""
    task = asyncio.create_task(engine.embed(items("busy")))
    await embedder.entered()
    return task


async def test_results_come_in_the_order_of_the_items(engine, embedder):
    embedder.let_go()
    result = await engine.embed(items("a", "b", "c"))
    assert names(result.results) == ["a", "b", "c"]


async def test_an_idle_engine_starts_at_once(engine, embedder):
    task = await occupy(engine, embedder)
    assert embedder.batches == [["busy"]]
    embedder.let_go()
    await task


async def test_all_that_waits_forms_one_batch(engine, embedder):
    first = await occupy(engine, embedder)
    others = [await submit(engine, name) for name in "abc"]
    embedder.let_go(2)
    await first
    assert [names((await task).results) for task in others] == [["a"], ["b"], ["c"]]
    assert embedder.batches == [["busy"], ["a", "b", "c"]]


async def test_a_large_request_is_spread_over_batches(engine, embedder):
    embedder.let_go(3)
    result = await engine.embed(items(*"abcdefghi"))
    assert names(result.results) == list("abcdefghi")
    assert [len(batch) for batch in embedder.batches] == [4, 4, 1]


async def test_a_request_reports_the_time_of_all_its_batches(engine, embedder, clock):
    first = await occupy(engine, embedder)
    task = await submit(engine, *"abcde")
    clock.now += 0.25
    embedder.let_go(3)
    await first
    timings = (await task).timings
    assert (timings.queue_ms, timings.tokenize_ms, timings.compute_ms) == (250.0, 2.0, 20.0)


async def test_interactive_texts_overtake_bulk_ones(engine, embedder):
    first = await occupy(engine, embedder)
    bulk = await submit(engine, *"123456", lane=Lane.BULK)
    interactive = await submit(engine, *"ab", lane=Lane.INTERACTIVE)
    embedder.let_go(3)
    await asyncio.gather(first, bulk, interactive)
    assert embedder.batches[1:] == [["a", "b", "1", "2"], ["3", "4", "5", "6"]]


async def test_bulk_texts_move_on_under_interactive_load(engine, embedder):
    first = await occupy(engine, embedder)
    bulk = await submit(engine, *"12", lane=Lane.BULK)
    interactive = await submit(engine, *"abcdefgh", lane=Lane.INTERACTIVE)
    embedder.let_go(4)
    await asyncio.gather(first, bulk, interactive)
    assert embedder.batches[1:3] == [["a", "b", "c", "1"], ["d", "e", "f", "2"]]


async def test_one_thread_computes_and_it_is_not_the_loops(engine, embedder):
    embedder.let_go(3)
    for name in "abc":
        await engine.embed(items(name))
    assert len(embedder.threads) == 1
    assert threading.get_ident() not in embedder.threads


async def test_a_cancelled_requests_texts_are_dropped(engine, embedder):
    first = await occupy(engine, embedder)
    cancelled = await submit(engine, *"ab")
    kept = await submit(engine, "c")
    cancelled.cancel()
    await asyncio.wait([cancelled])
    embedder.let_go(2)
    await asyncio.gather(first, kept)
    assert embedder.batches == [["busy"], ["c"]]


async def test_a_request_cancelled_while_computed_harms_no_other(engine, embedder):
    first = await occupy(engine, embedder)
    cancelled, kept = await submit(engine, "a"), await submit(engine, "b")
    embedder.let_go()
    await embedder.entered()
    cancelled.cancel()
    await asyncio.wait([cancelled])
    embedder.let_go()
    await first
    assert names((await kept).results) == ["b"]


async def test_expired_texts_are_dropped_and_their_caller_told(engine, embedder, clock):
    first = await occupy(engine, embedder)
    expired = await submit(engine, "a", deadline=clock.now + 1.0)
    kept = await submit(engine, "b", deadline=clock.now + 1.5)
    clock.now += 1.0
    embedder.let_go(2)
    await asyncio.gather(first, kept)
    with pytest.raises(DeadlineExpiredError, match="the deadline passed while the texts waited"):
        await expired
    assert embedder.batches == [["busy"], ["b"]]


async def test_a_request_that_expires_half_way_is_not_computed_further(engine, embedder, clock):
    task = await submit(engine, *"abcdefg", deadline=clock.now + 1.0)
    await embedder.entered()
    clock.now += 2.0
    embedder.let_go()
    with pytest.raises(DeadlineExpiredError):
        await task
    assert embedder.batches == [["a", "b", "c", "d"]]
    assert engine.queued_texts == 0


async def test_a_full_lane_refuses_at_once(engine, embedder):
    first = await occupy(engine, embedder)
    waiting = await submit(engine, *"abcdefghij")
    assert (engine.queued_texts, engine.queued_tokens) == (10, 30)
    with pytest.raises(Overloaded) as refused:
        await engine.embed(items("k"))
    assert refused.value.retry_after_s == 1.0
    embedder.let_go(4)
    await asyncio.gather(first, waiting)


async def test_a_full_bulk_lane_leaves_the_interactive_one_open(engine, embedder):
    first = await occupy(engine, embedder)
    bulk = await submit(engine, *"abcdefghij", lane=Lane.BULK)
    with pytest.raises(Overloaded):
        await engine.embed(items("k"), lane=Lane.BULK)
    interactive = await submit(engine, "k", lane=Lane.INTERACTIVE)
    embedder.let_go(5)
    await asyncio.gather(first, bulk, interactive)
    assert embedder.batches[1] == ["k", "a", "b", "c"]


async def test_a_refused_request_leaves_nothing_behind(engine, embedder):
    first = await occupy(engine, embedder)
    waiting = await submit(engine, *"abcdefgh")
    with pytest.raises(Overloaded):
        await engine.embed(items(*"klm"))
    fitting = await submit(engine, *"ij")
    embedder.let_go(4)
    await asyncio.gather(first, waiting, fitting)
    assert [text for batch in embedder.batches[1:] for text in batch] == list("abcdefghij")


async def test_an_empty_lane_takes_a_request_larger_than_itself(engine, embedder):
    embedder.let_go(5)
    result = await engine.embed(items(*"abcdefghijklmnop"))
    assert len(result.results) == 16


async def test_the_retry_hint_is_the_queue_over_the_measured_speed(engine, embedder, clock):
    first = await occupy(engine, embedder)
    clock.now += 0.5  # 3 tokens in 0.5 s: 6 a second
    embedder.let_go()
    await first
    second = await occupy(engine, embedder)
    waiting = await submit(engine, *"abcdefghij")
    with pytest.raises(Overloaded) as refused:
        await engine.embed(items("k"))
    assert refused.value.retry_after_s == pytest.approx(30 / 6)
    embedder.let_go(5)
    await asyncio.gather(second, waiting)


async def test_a_text_error_keeps_its_place_in_its_own_request(engine, embedder):
    first = await occupy(engine, embedder)
    good, mixed = await submit(engine, "a", "b"), await submit(engine, "c", "bad")
    embedder.let_go(2)
    await asyncio.gather(first, good)
    _, error = (await mixed).results
    assert isinstance(error, TextError)
    assert (error.index, error.reason) == (1, "bad text")


async def test_a_failed_batch_fails_its_callers_and_no_other(engine, embedder):
    embedder.failure = RuntimeError("out of memory")
    embedder.let_go()
    with pytest.raises(RuntimeError, match="out of memory"):
        await engine.embed(items("a"))
    embedder.failure = None
    embedder.let_go()
    assert names((await engine.embed(items("b"))).results) == ["b"]


async def test_too_few_results_fail_the_batch_and_not_the_engine(clock):
    class ForgetfulEmbedder(GatedEmbedder):
        def embed(self, items: Sequence[EmbedItem]) -> EmbeddedBatch:
            complete = super().embed(items)
            return EmbeddedBatch(complete.results[:1], complete.timings)

    embedder = ForgetfulEmbedder()
    embedder.let_go(2)
    async with BatchingEngine(embedder, clock=clock) as engine:
        with pytest.raises(ValueError, match="zip"):
            await engine.embed(items("a", "b"))
        assert names((await engine.embed(items("c"))).results) == ["c"]


async def test_no_items_need_no_batch(engine, embedder):
    assert (await engine.embed([])).results == ()
    assert embedder.batches == []


async def test_closing_finishes_what_waits_and_refuses_the_rest(embedder, clock):
    engine = BatchingEngine(embedder, clock=clock, batch_tokens=12)
    engine.start()
    first = await occupy(engine, embedder)
    waiting = await submit(engine, *"abcdef")
    closing = asyncio.create_task(engine.close())
    await until(lambda: engine._closing)
    with pytest.raises(EngineClosedError, match="is not running"):
        await engine.embed(items("late"))
    assert not closing.done()
    embedder.let_go(3)
    await closing
    assert first.done()
    assert names(waiting.result().results) == list("abcdef")


async def test_closing_an_idle_engine_returns(embedder, clock):
    engine = BatchingEngine(embedder, clock=clock)
    engine.start()
    await engine.close()
    await engine.close()


async def test_an_engine_that_was_not_started_refuses(embedder, clock):
    engine = BatchingEngine(embedder, clock=clock)
    with pytest.raises(EngineClosedError, match="is not running"):
        await engine.embed(items("a"))
    await engine.close()


async def test_an_engine_starts_once(engine):
    with pytest.raises(EngineClosedError, match="was started before"):
        engine.start()


async def test_the_real_embedder_fits(tiny_embedder, clock):
    async with BatchingEngine(tiny_embedder, clock=clock) as engine:
        requests = [engine.embed(items("the cat sat", "", f"dogs ran {n}")) for n in range(5)]
        for result in await asyncio.gather(*requests):
            good, empty, also_good = result.results
            assert isinstance(good, Embedded)
            assert isinstance(also_good, Embedded)
            assert isinstance(empty, TextError)
            assert empty.index == 1
