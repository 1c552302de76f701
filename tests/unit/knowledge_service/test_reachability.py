"""Whether the store can be reached: told as it changes, and known to calls."""

import asyncio
import threading
from collections.abc import AsyncIterator

import grpc
import pytest

from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.reachability import StoreWatch
from attune.services.runtime.errors import ServiceError


class Leaving(MemoryStore):
    """Goes away and comes back, or does not answer while the gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.gate = threading.Event()
        self.gate.set()

    def position(self, log: str, partition: int) -> int:
        assert self.gate.wait(30)
        if self.is_away:
            raise StoreBusyError("PostgreSQL says connection refused: check that it runs, or try again")
        return super().position(log, partition)


@pytest.fixture
async def store() -> AsyncIterator[Leaving]:
    made = Leaving()
    yield made
    made.gate.set()


@pytest.fixture
async def watched(store: Leaving) -> AsyncIterator[StoreWatch]:
    watch = StoreWatch(store, pause_s=0.001, patience_s=0.05)
    watch.start()
    yield watch
    watch.stop()


async def told(changes: "asyncio.Queue[bool]") -> bool:
    async with asyncio.timeout(30):
        return await changes.get()


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_store_that_leaves_and_comes_back_is_told(store: Leaving, watched: StoreWatch, how: str) -> None:
    changes: asyncio.Queue[bool] = asyncio.Queue()
    watched.watch(changes.put_nowait)
    watched.require_reachable()
    store.is_away = how == "fails"
    if how == "hangs":
        store.gate.clear()
    assert await told(changes) is False
    with pytest.raises(ServiceError) as refused:
        watched.require_reachable()
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    store.is_away = False
    store.gate.set()
    assert await told(changes) is True
    watched.require_reachable()


async def test_who_begins_to_watch_late_is_told_what_is(store: Leaving, watched: StoreWatch) -> None:
    changes: asyncio.Queue[bool] = asyncio.Queue()
    watched.watch(changes.put_nowait)
    store.is_away = True
    assert await told(changes) is False
    late: list[bool] = []
    watched.watch(late.append)
    assert late == [False]
