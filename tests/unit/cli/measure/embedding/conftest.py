"""A server in memory, and a worker that says what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attune.services.cli.measure.embedding.bench import Bench
from attune.services.cli.measure.embedding.load.answers import Answer, Outcome, Send
from attune.services.cli.measure.embedding.plan import Load, Plan
from attune.services.cli.measure.embedding.servers.server import OURS, Server


@dataclass
class MemoryTarget:
    """Answers at once, as it is told to."""

    outcome: Outcome = Outcome.ANSWERED
    asked: list[bytes] = field(default_factory=list)
    most_in_flight: int = 0

    def request(self, texts: Sequence[str]) -> bytes:
        return "\n".join(texts).encode()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Send]:
        in_flight = 0

        async def send(request: bytes, _timeout_s: float) -> Answer:
            nonlocal in_flight
            in_flight += 1
            self.most_in_flight = max(self.most_in_flight, in_flight)
            self.asked.append(request)
            await asyncio.sleep(0)
            in_flight -= 1
            return Answer(self.outcome, request)

        yield send

    def vectors(self, payload: bytes) -> NDArray[np.float32]:
        return np.ones((payload.count(b"\n") + 1, 2), np.float32)


class MemoryWorker:
    """Texts, speeds and vectors without a model."""

    model = SimpleNamespace(precision="bf16", has_reference=True)

    def texts(self, load: Load, count: int, seed: int) -> list[str]:
        return [f"{load} {seed} {number}" for number in range(min(count, 512))]

    def speed(self, engine: str, _texts: Sequence[str], _seconds: float) -> dict[str, float]:
        rate = {"attune": 300.0, "sentence_transformers_bf16": 150.0}.get(engine, 100.0)
        return {"texts_per_s": rate, "ceiling_fraction": 0.7}

    def mixed(self, _texts: Sequence[str], weights: Sequence[float], _seed: int, _seconds: float) -> dict[str, float]:
        ratio = 0.98 if len(set(weights)) == 1 else 0.9
        return {"dense_texts_per_s": 100.0, "texts_per_s": 100 * ratio, "ratio": ratio}

    def vectors(self, _engine: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 2), np.float32)


@pytest.fixture
def targets() -> dict[str, MemoryTarget]:
    return {name: MemoryTarget() for name in (OURS, "peer")}


@pytest.fixture
def bench(targets: dict[str, MemoryTarget]) -> Iterator[Bench]:
    plan = Plan(loads=(Load.Q8, Load.ZIPF), concurrency=(1, 4), seconds=0.01, rounds=2, peer_dir=Path())
    servers = [Server(name, 1, target) for name, target in targets.items()]
    worker: Any = MemoryWorker()
    with asyncio.Runner() as runner:
        yield Bench(plan, servers, worker, runner, "bf16: in a test")
