"""The embedding role and its worker process: either may be killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.conftest import wait_until
from tests.e2e.process import Running, up

from attune.services.client import Client
from attune.services.client.channels import Addresses

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc"),
]
SERVICE = "attune.embedding.v1.EmbeddingService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def running(tmp_path) -> Iterator[Running]:
    with up(tmp_path, "--role", "embedding", log_level="info") as role:
        yield role


def address(running: Running) -> str:
    return running.announced["roles"]["embedding"]


def worker_of(pid: int) -> int:
    children = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    [worker] = map(int, " ".join(children).split())
    return worker


def is_running(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def test_a_killed_worker_is_told_by_health_and_comes_back(running):
    with grpc.insecure_channel(address(running)) as channel, Client(Addresses(embedding=address(running))) as client:
        before = client.embed(["a text"])
        statuses = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert next(statuses).status == SERVING
        os.kill(worker_of(running.pid), signal.SIGKILL)
        assert next(statuses).status == NOT_SERVING
        assert next(statuses).status == SERVING
        assert np.allclose(client.embed(["a text"]), before, atol=1e-3)


def test_the_worker_ends_with_a_killed_role(running):
    worker = worker_of(running.pid)
    running.kill()
    wait_until(lambda: not is_running(worker))
