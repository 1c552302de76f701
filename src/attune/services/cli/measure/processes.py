"""Child processes of the bench: each is gone when its `with` block ends, however that ends."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from attune.services.cli.measure.errors import BenchError

_END_WITHIN_S = 10
_LOG_END = 600
_ENDING = (signal.SIGINT, signal.SIGTERM)


class Child:
    """A running child process: lines to and from it, and what it logged."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def write_line(self, line: str) -> None:
        """Send it a line. Raises `BenchError` where it has ended."""
        try:
            stream = _open(self._process.stdin)
            stream.write(f"{line}\n")
            stream.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def read_line(self) -> str:
        """Wait for the next line that it prints. Raises `BenchError` where it ends instead."""
        line = _open(self._process.stdout).readline()
        if not line:
            raise self._ended()
        return line

    def check_running(self) -> None:
        """Raise `BenchError`, with the end of its log, where it has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def has_logged(self, words: str) -> bool:
        """Whether its log has them."""
        return words in self._log.read_text(encoding="utf-8", errors="replace")

    def ask_to_end(self) -> None:
        """As an orchestrator does: the process alone, which ends those that it started."""
        self._process.terminate()

    def kill(self) -> None:
        """As the kernel does when memory is short: no code of its runs any more."""
        self._process.kill()
        self._process.wait()

    def end_within(self, seconds: float) -> int:
        """Wait for its end, and tell its status. Raises `BenchError` where it does not come."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.name} was asked to end and is up after {seconds:g} seconds") from error

    def _ended(self) -> BenchError:
        status = self._process.wait(_END_WITHIN_S)
        logged = self._log.read_text(encoding="utf-8", errors="replace").strip()[-_LOG_END:]
        return BenchError(f"{self.name} ended with status {status}; mend what it said last: {logged}")


@contextmanager
def child(
    name: str,
    command: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    *,
    talks: bool = True,
    inherited: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """A command with a pipe to its standard input; what it prints can be read if it `talks`, else it goes to `log`.

    Its standard error goes to the file `log` always.
    It gets this process's environment, or the one `inherited`, with `settings`, and a session of its own: Ctrl-C
    reaches this process alone, which then ends the child and whatever that started.

    Raises:
        BenchError: the command cannot be run.
    """
    with log.open("w") as errors, _interrupt_held_back() as let_interrupt:
        try:
            process = subprocess.Popen(  # noqa: S603 - commands of ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else errors,
                stderr=errors,
                text=True,
                env={**(os.environ if inherited is None else inherited), **settings},
                start_new_session=True,
            )
        except OSError as error:
            raise BenchError(f"{name} cannot be started ({error}): install it") from error
        with process:
            try:
                let_interrupt()
                yield Child(name, process, log)
            finally:
                _end(process)


@contextmanager
def _interrupt_held_back() -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM wait until what this yields is called: in between, they would leave a process that nobody
    knows of.
    """
    came: list[int] = []
    usual = {each: signal.signal(each, lambda number, _frame: came.append(number)) for each in _ENDING}

    def let_interrupt() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])

    try:
        yield let_interrupt
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask the whole session to end, then make it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _open(stream: "IO[str] | None") -> "IO[str]":
    if stream is None:
        raise ValueError("the process was started without this pipe")
    return stream
