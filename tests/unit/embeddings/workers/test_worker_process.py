"""The real process, with the packaged model."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest
import torch
from tests.unit.embeddings.conftest import until
from tests.unit.embeddings.mixture.material import add_expert, copied, ffn_tensors

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


async def test_it_loads_the_experts_of_now_while_texts_are_computed(shared_tiny_model, tmp_path):
    model = copied(shared_tiny_model, tmp_path / "model")
    worker = WorkerProcess(WorkerSettings(str(model), "fp32"))
    async with BatchingEngine([worker], clock=asyncio.get_running_loop().time) as engine:
        assert [domain.id for domain in engine.domains.domains()] == ["general"]
        add_expert(model, "law", ffn_tensors(model, 1))
        stop, answered = asyncio.Event(), 0

        async def keep_asking() -> None:
            nonlocal answered
            while not stop.is_set():
                [result] = (await engine.embed([EmbedItem("the cat")])).results
                assert isinstance(result, Embedded)
                answered += 1

        asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
        await until(lambda: answered > 10)
        assert [domain.id for domain in (await engine.reload()).domains()] == ["general", "law"]
        [result] = (await engine.embed([EmbedItem("the cat", domain="law")])).results
        assert result.domain == "law"
        entry = add_expert(model, "bio", ffn_tensors(model, 2))
        (model / entry.file).write_bytes(b"damaged")
        with pytest.raises(ModelError, match="has sha256"):
            await engine.reload()
        assert [domain.id for domain in engine.domains.domains()] == ["general", "law"]
        stop.set()
        await asyncio.gather(*asking)


async def test_a_worker_does_not_come_back_with_another_model(write_model, tmp_path):
    model = write_model(tmp_path / "model")
    worker = WorkerProcess(WorkerSettings(str(model), "fp32"))
    told: list[bool] = []
    async with BatchingEngine([worker], clock=asyncio.get_running_loop().time) as engine:
        engine.watch(told.append)
        write_model(model, weights={"embeddings.LayerNorm.bias": torch.ones(32)})
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: told == [False] and worker.pid is None)
        with pytest.raises(WorkerLostError):
            await engine.embed([EmbedItem("the cat")])
        write_model(model)
        await until(lambda: told == [False, True])
