"""The real process, with the packaged model."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest
from tests.unit.embeddings.conftest import until

from attune.embeddings.batching import BatchingEngine
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import ModelError, SettingError, TextError, UnknownDomainError, WorkerLostError
from attune.embeddings.items import Embedded, EmbedItem
from attune.embeddings.workers.messages import WorkerSettings
from attune.embeddings.workers.process import WorkerProcess


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess(WorkerSettings(precision="fp32"))
    yield worker
    await worker.close()


@pytest.fixture
async def engine(process) -> AsyncIterator[BatchingEngine]:
    async with BatchingEngine([process], clock=asyncio.get_running_loop().time) as running:
        yield running


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_it_computes_what_the_library_does_and_errors_stay_with_their_texts(engine):
    items = [EmbedItem("a river bank"), EmbedItem(""), EmbedItem("loans", domain="nosuch"), EmbedItem("money " * 300)]
    result = await engine.embed(items)
    first, empty, unknown, long = result.results
    expected = Embedder.load(precision="fp32").embed(items).results
    assert np.allclose(first.vector, expected[0].vector, atol=1e-5)
    assert np.allclose(long.vector, expected[3].vector, atol=1e-5)
    assert (long.token_count, long.truncated) == (256, True)
    assert isinstance(empty, TextError)
    assert empty.index == 1
    assert isinstance(unknown, UnknownDomainError)
    assert result.timings.compute_ms > 0


async def test_a_killed_worker_is_told_and_started_again(engine, process):
    told: list[bool] = []
    engine.watch(told.append)
    waiting = asyncio.create_task(engine.embed([EmbedItem("word " * 200)] * 400))
    await until(lambda: engine.queued_texts > 0)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError):
        await waiting
    with pytest.raises(WorkerLostError, match="started again"):
        await engine.embed([EmbedItem("at once")])
    await until(lambda: told == [False, True])
    [after] = (await engine.embed([EmbedItem("after")])).results
    assert isinstance(after, Embedded)


async def test_closing_ends_the_process(process):
    await process.start(lambda _outcome: None, lambda: pytest.fail("the end was wanted"))
    pid = process.pid
    await process.close()
    assert ended(pid)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (WorkerSettings(model_path="/nosuch"), ModelError, "does not exist"),
        (WorkerSettings(precision="fp8"), SettingError, "precision is 'fp8'"),
    ],
)
async def test_what_cannot_be_loaded_is_said(settings, error, message):
    with pytest.raises(error, match=message):
        await BatchingEngine([WorkerProcess(settings)], clock=asyncio.get_running_loop().time).start()
