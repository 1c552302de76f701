"""etcd and an API server on loopback, without nodes: what is applied is validated and admitted, and nothing runs."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tests.kubernetes.binaries import kubectl

from attune.services.cli.measure.system.ports import free_ports

_UP_WITHIN_S = 300


class Cluster:
    """The API server, by kubectl."""

    def __init__(self, address: str, token: str, home: Path) -> None:
        self._command = [
            kubectl(),
            f"--server={address}",
            f"--token={token}",
            "--insecure-skip-tls-verify",  # its certificate is of its own making, seconds ago, on loopback
            f"--cache-dir={home}/kubectl",
        ]

    def run(self, *arguments: str, manifests: str = "") -> "subprocess.CompletedProcess[str]":
        """Run kubectl with `manifests` as its input."""
        command = [*self._command, *arguments]
        return subprocess.run(  # noqa: S603 - ours
            command, input=manifests, capture_output=True, text=True, check=False, timeout=300
        )

    def is_ready(self) -> bool:
        """Whether it answers that it is."""
        return self.run("get", "--raw", "/readyz").stdout == "ok"


@contextmanager
def running(binaries: Path) -> Iterator[Cluster]:
    """The two programs, up inside the `with` block.

    Raises:
        RuntimeError: one of them ended, with the last of what it wrote.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attune-kubernetes-")))
        clients, peers, secure = free_ports(3)
        token = secrets.token_urlsafe(24)
        _write_credentials(home, token)
        etcd = _started(stack, home, [str(binaries / "etcd"), *_etcd(home, clients, peers)])
        server = _started(stack, home, [str(binaries / "kube-apiserver"), *_api_server(home, clients, secure)])
        cluster = Cluster(f"https://127.0.0.1:{secure}", token, home)
        _wait(cluster, [etcd, server], home)
        yield cluster


def _etcd(home: Path, clients: int, peers: int) -> Sequence[str]:
    return [
        f"--data-dir={home}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{clients}",
        f"--advertise-client-urls=http://127.0.0.1:{clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
        "--unsafe-no-fsync",  # nothing here outlives the run
    ]


def _api_server(home: Path, clients: int, secure: int) -> Sequence[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{clients}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={secure}",
        f"--cert-dir={home}/certificates",
        f"--token-auth-file={home}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home}/accounts.pem",
        f"--service-account-signing-key-file={home}/accounts.pem",
        "--endpoint-reconciler-type=none",
        # There is no controller that would make the accounts of a namespace.
        "--disable-admission-plugins=ServiceAccount",
    ]


def _write_credentials(home: Path, token: str) -> None:
    tokens = home / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f"{token},tester,tester,system:masters\n")
    command = ["openssl", "genrsa", "-out", str(home / "accounts.pem"), "2048"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - ours


def _started(stack: ExitStack, home: Path, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    log: IO[bytes] = stack.enter_context((home / f"{Path(command[0]).name}.log").open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)  # noqa: S603 - ours
    stack.callback(_ended, process)
    return process


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(30)


def _wait(cluster: Cluster, processes: "Sequence[subprocess.Popen[bytes]]", home: Path) -> None:
    deadline = time.monotonic() + _UP_WITHIN_S
    while not cluster.is_ready():
        if any(each.poll() is not None for each in processes) or time.monotonic() > deadline:
            told = "\n".join(path.read_text(errors="replace")[-2000:] for path in home.glob("*.log"))
            raise RuntimeError(f"the control plane is not up:\n{told}")
        time.sleep(0.5)
