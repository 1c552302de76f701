"""Ctrl-C while a system starts: it ends within seconds, leaves no process behind, and its files can be used again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in, record_visibly, wait_until
from tests.e2e.material import catalog_lines, reading
from tests.e2e.process import environment

from attune.services.cli.background import running_system
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e

# A shell may have started the tests with SIGINT ignored, which children inherit.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from attune.services.cli.main import app
app()
"""
WITHIN_S = 30  # a loaded machine loads the model to its end in this time, which is the longest a thread goes on


@contextmanager
def starting(directory: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A command in a process group of its own, as a terminal makes one."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Ctrl-C; return exit status, standard output and standard error."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=WITHIN_S)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of the group is left
    return process.returncode, out, err


def assert_usable(directory: Path) -> None:
    config = config_in(directory)
    with (
        running_system(config, system_clock, roles=[RoleName.KNOWLEDGE, RoleName.INGEST]) as system,
        Client(Addresses.of(system.config), timeout_s=30) as client,
    ):
        record_visibly(client, reading("ada", "asyncio.gather"))
        assert client.profile("ada").events == 1


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    lines: Sequence[dict[str, str]] = [
        {"_id": str(number), "title": f"note {number}", "text": f"The red fox is near river {number}."}
        for number in range(60)
    ]
    (tmp_path / "corpus" / "corpus.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path / "corpus"


def test_the_demo_ends_with_130_and_one_sentence_while_it_loads_the_model(tmp_path: Path, corpus: Path) -> None:
    directory = tmp_path / "files" / "demo" / "corpus"
    with starting(tmp_path / "files", "demo", "--data", str(corpus), "--json") as process:
        wait_until((directory / "knowledge.lock").exists, within_s=60)  # taken just before
        status, out, err = interrupt(process)
    assert (status, out) == (130, "")
    assert err == "attune: stopped; run the same command again\n"
    assert_usable(directory)


def test_a_server_of_which_some_roles_are_up_stops_as_one_that_is_up(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "catalog.jsonl").write_text(catalog_lines())
    with starting(directory, "up", "--json") as process:
        wait_until((directory / "knowledge.sqlite").exists, within_s=60)  # opened when embedding is serving
        assert interrupt(process) == (0, "", "")
    assert_usable(directory)
