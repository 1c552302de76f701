"""A worker as `attune up --role ingest` runs it, in a process that is forked: what it imports is there already."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from attune.services.cli.up import RoleChoice, up

IMPORTED = (
    "attune.knowledge_store.store_postgres",
    "attune.services.ingest.main",
    "attune.services.runtime.eventlog.kafka_group",
    "attune.services.runtime.eventlog.kafka_log",
    __name__,
)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(IMPORTED))
_STOPPED_S = 60.0
ASSIGNED = "partitions assigned"
FENCED = "another worker has claimed the partition"


class Worker:
    """A process that is running, or was."""

    def __init__(self, name: str, settings: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.is_wanted = True
        """Whether nobody has ended it."""
        self._process = _CONTEXT.Process(target=_serve, args=(dict(settings), log), name=name, daemon=True)
        self._process.start()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def is_member(self) -> bool:
        """Whether the group has ever given it a partition."""
        return self.said(ASSIGNED) > 0

    def said(self, words: str) -> int:
        """In how many lines of its log they are."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return sum(words in line for line in text.splitlines())

    def kill(self) -> None:
        """Kill -9."""
        self.is_wanted = False
        self._send(signal.SIGKILL)
        self._process.join()

    def pause(self) -> None:
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        self._send(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.is_wanted = False
        self._send(signal.SIGTERM)

    def wait(self) -> None:
        """Until it has ended in peace. Raises RuntimeError where it did not."""
        self._process.join(_STOPPED_S)
        if self._process.exitcode != 0:
            raise RuntimeError(f"{self.name} was asked to stop and ended with {self._process.exitcode}: see {self.log}")

    def _send(self, number: signal.Signals) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


def _serve(settings: Mapping[str, str], log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(settings)
    threading.Thread(target=_end_with_campaign, daemon=True).start()
    up([RoleChoice.INGEST], as_json=True)


def _end_with_campaign() -> None:
    campaign = multiprocessing.parent_process()
    if campaign is not None:
        campaign.join()
        os._exit(1)
