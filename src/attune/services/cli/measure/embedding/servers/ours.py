"""Our embedding service, as a user would run it: `attune up --role embedding`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attune.services.cli.measure.embedding.servers.grpc_target import GrpcTarget
from attune.services.cli.measure.embedding.servers.server import OURS, Server
from attune.services.cli.measure.processes import child
from attune.services.client import Client
from attune.services.client.channels import Addresses

COMMAND = (
    *(sys.executable, "-c", "from attune.services.cli.main import app; app()"),
    *("up", "--role", "embedding", "--json"),
)


@dataclass(frozen=True)
class ServedPrecision:
    """What the service chose to compute in, and why."""

    name: str
    reason: str


def settings(work: Path) -> dict[str, str]:
    """The user's own settings hold but for these: free ports, files in `work`, no cache, and the CPU, as peers."""
    return {
        "ATTUNE_EMBEDDING_PORT": "0",
        "ATTUNE_METRICS_PORT": "-1",
        "ATTUNE_DATA_DIR": str(work),
        "ATTUNE_LOG_LEVEL": "error",
        "ATTUNE_DRAIN_S": "1",
        "ATTUNE_EMBEDDING_CACHE_MB": "0",
        "ATTUNE_DEVICES": "cpu",
    }


@contextmanager
def our_server(work: Path) -> Iterator[tuple[Server, ServedPrecision]]:
    """The service, warm, on a free port, and what it computes in. Raises `BenchError` where it does not start."""
    with child(OURS, COMMAND, settings(work), work / "attune.log") as process:
        address = json.loads(process.read_line())["roles"]["embedding"]
        yield Server(OURS, process.pid, GrpcTarget(address)), _precision(address)


def _precision(address: str) -> ServedPrecision:
    with Client(Addresses(embedding=address)) as client:
        info = client.model_info()
    return ServedPrecision(info.precision, info.precision_reason)
