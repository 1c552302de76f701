"""Infinity (michaelfeil/infinity), one process for each of its engines, over its own HTTP API."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.servers.http_target import HttpTarget
from attune.services.cli.measure.embedding.servers.server import Server
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.processes import Child, child

_MODEL = "peer"
_UP_WITHIN_S = 600  # it computes 8,192 tokens before it says that it is ready, slowly
_ASK_EVERY_S = 0.5
SETTINGS = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True)
class Engine:
    """One way for Infinity to compute: its name in the results, the engine's option, and the model's directory."""

    name: str
    option: str
    model_dir: Path


def engines(model_dir: Path, onnx_fp32: Path, onnx_int8: Path) -> list[Engine]:
    """Its engines that run on a CPU, all with the same weights."""
    return [
        Engine("infinity_torch", "torch", model_dir),
        Engine("infinity_onnx_fp32", "optimum", onnx_fp32),
        Engine("infinity_onnx_int8", "optimum", onnx_int8),
    ]


def serve_command(engine: Engine, program: Path, port: int) -> list[str]:
    """How it is started: its defaults, but for mean pooling, which its ONNX engine would take the CLS token for."""
    return [
        *(str(program), "v2", "--model-id", str(engine.model_dir), "--served-model-name", _MODEL),
        *("--engine", engine.option, "--device", "cpu", "--pooling-method", "mean"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
    ]


@contextmanager
def infinity_servers(peer_dir: Path, chosen: Sequence[Engine], work: Path) -> Iterator[list[Server]]:
    """The engines' servers, started one after the other, warm. Raises `BenchError` where one does not start."""
    with ExitStack() as stack:
        yield [stack.enter_context(_server(each, peer_dir, work)) for each in chosen]


@contextmanager
def _server(engine: Engine, peer_dir: Path, work: Path) -> Iterator[Server]:
    port = free_port()
    command = serve_command(engine, peer_dir / "venv" / "bin" / "infinity_emb", port)
    with child(engine.name, command, SETTINGS, work / f"{engine.name}.log", talks=False) as process:
        target = HttpTarget(port, _MODEL)
        _wait_until_ready(process, target)
        yield Server(engine.name, process.pid, target)


def _wait_until_ready(process: Child, target: HttpTarget) -> None:
    ends = time.monotonic() + _UP_WITHIN_S
    while not asyncio.run(_answers(target)):
        process.check_running()
        if time.monotonic() > ends:
            raise BenchError(f"{process.name} was not ready after {_UP_WITHIN_S} s: look at what else runs here")
        time.sleep(_ASK_EVERY_S)


async def _answers(target: HttpTarget) -> bool:
    async with target.connect() as send:
        answer = await send(target.request(["ready?"]), _UP_WITHIN_S)
    return answer.outcome is Outcome.ANSWERED


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
