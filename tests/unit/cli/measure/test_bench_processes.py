"""Child processes: what they say, and that none is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from select import select
from typing import Any

import pytest

from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.memory import resident_mib
from attune.services.cli.measure.processes import child

ECHO = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_DFL)
below = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(below.pid, flush=True)
signal.pause()
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    """Ended: no such process, or one that nobody has waited for yet."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_lines_go_there_and_back(tmp_path: Path) -> None:
    with child("echo", python(ECHO), {}, tmp_path / "log") as process:
        process.write_line("hello")
        assert process.read_line() == "HELLO\n"
        process.check_running()
        pid = process.pid
    assert gone(pid)


def test_it_gets_the_settings(tmp_path: Path) -> None:
    code = "import os; print(os.environ['ATTUNE_LOG_LEVEL'], bool(os.environ['PATH']))"
    with child("settings", python(code), {"ATTUNE_LOG_LEVEL": "error"}, tmp_path / "log") as process:
        assert process.read_line() == "error True\n"


def test_one_that_ends_is_reported_with_what_it_said_last(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no weights in /model')"
    with child("the peer", python(code), {}, tmp_path / "log") as process:
        with pytest.raises(BenchError, match=r"the peer ended with status 1; .*no weights in /model"):
            process.read_line()
        with pytest.raises(BenchError, match="status 1"):
            process.check_running()


def test_one_that_does_not_talk_logs_what_it_prints(tmp_path: Path) -> None:
    with child("quiet", python("print('x' * 200_000)\nraise SystemExit(4)"), {}, tmp_path / "log", talks=False) as it:
        os.waitid(os.P_PID, it.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(BenchError, match="status 4"):
            it.check_running()
    assert len((tmp_path / "log").read_text()) == 200_001


def test_whatever_it_started_ends_with_it(tmp_path: Path) -> None:
    with child("family", python(STUBBORN), {}, tmp_path / "log") as process:
        below = os.pidfd_open(int(process.read_line()))
        assert not select([below], [], [], 0)[0]
    assert select([below], [], [], 10)[0]  # readable when the process has ended
    os.close(below)


def test_an_error_inside_the_block_ends_it_too(tmp_path: Path) -> None:
    pids = []

    def run() -> None:
        with child("echo", python(ECHO), {}, tmp_path / "log") as process:
            pids.append(process.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert gone(pids[0])


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match=r"the peer cannot be started .*no-such-program"),
        child("the peer", [str(tmp_path / "no-such-program")], {}, tmp_path / "log"),
    ):
        pass


def test_resident_memory_counts_children() -> None:
    assert resident_mib(os.getpid()) > 10


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert resident_mib(2**22 + 1) == 0


def test_memory_of_a_child_counts_for_its_parent(tmp_path: Path) -> None:
    code = "held = bytearray(b'x') * (64 << 20)\nprint('ready', flush=True)\ninput()"
    before = resident_mib(os.getpid())
    with child("large", python(code), {}, tmp_path / "log") as process:
        process.read_line()
        assert resident_mib(process.pid) > 64
        assert resident_mib(os.getpid()) > before + 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_a_child_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pids = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            pids.append(self.pid)
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    usual = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), child("echo", python(ECHO), {}, tmp_path / "log"):
            pytest.fail("it was to be interrupted")
    finally:
        signal.signal(number, usual)
    assert gone(pids[0])
