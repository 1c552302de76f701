"""The `attune` command in a process of its own: what it prints, how it ends, and how to end it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

from tests.e2e.said import PLACES

from attune.services.client.channels import Addresses

ATTUNE = (sys.executable, "-c", "from attune.services.cli.main import app; app()")
ROLES = ("embedding", "knowledge", "ingest", "suggestion", "search")
_AT_MOST_S = 300  # what hangs, not what is slow


def environment(directory: Path, **settings: object) -> dict[str, str]:
    """This process's environment, of attune's settings those given only; free ports, all files in `directory`.

    Output is buffered as it is for users: a container that unbuffers it would hide what is printed too late.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATTUNE_", "PYTHONUNBUFFERED"))}
    ports = dict.fromkeys((*(f"{role}_port" for role in ROLES), "metrics_port"), 0)
    given: dict[str, object] = {"data_dir": directory, "log_level": "error", "drain_s": 10, **ports, **settings}
    return kept | {f"ATTUNE_{name.upper()}": str(value) for name, value in given.items()}


def attune(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        [*ATTUNE, *arguments], capture_output=True, text=True, timeout=_AT_MOST_S, check=False, **options
    )


def children_of(process: "subprocess.Popen[str]") -> list[int]:
    """The ids of the processes that a running one has started."""
    assert process.poll() is None
    files = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for file in files for pid in file.read_text().split()]


class Running:
    """`attune up`, up."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        printed = cast("IO[str]", process.stdout).readline()
        assert printed, f"attune up ended with {process.wait(_AT_MOST_S)}"
        self.announced: dict[str, Any] = json.loads(printed)

    @property
    def addresses(self) -> Addresses:
        """Where the services really are."""
        return Addresses(**{role: self.announced["roles"][role] for role in ROLES if role != "ingest"})

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def kill(self) -> None:
        """As the kernel does when memory is short: no code of ours runs any more."""
        self._process.kill()
        self._process.wait(_AT_MOST_S)

    def ask_to_stop(self) -> None:
        """As an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)

    def exit_status(self) -> int:
        """Wait for the end."""
        return self._process.wait(_AT_MOST_S)


@contextmanager
def up(directory: Path, *options: str, log: Path | None = None, **settings: object) -> Iterator[Running]:
    """Roles in a process of their own, all of them unless `options` say which; gone after the `with` block.

    What they log goes where this process's does, or to a file. What they leave is looked through when all tests ended.
    """
    PLACES.directories.add(Path(str(settings.get("data_dir", directory))))
    PLACES.logs |= {log} if log else set()
    command: Sequence[str] = [*ATTUNE, "up", "--json", *options]
    with (
        log.open("w") if log else nullcontext() as errors,
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(directory, **settings)
        ) as process,
    ):
        try:
            running = Running(process)
            yield running
            PLACES.note_metrics_at(running.announced["metrics"])
        finally:
            process.kill()
