"""Commands whose reader has left, as `attune ... | head` leaves: real processes, real pipes."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import typer
from rich.console import Console
from attune.services.cli.pipes import QuietGroup
app = typer.Typer(cls=QuietGroup, pretty_exceptions_enable=False)

@app.command()
def little() -> None:
    print("a line")

@app.command()
def much() -> None:
    print("a line\\\\n" * 100_000)
    raise AssertionError("unreachable: the reader left")

@app.command()
def table() -> None:
    Console().print("a line")

@app.command()
def fail() -> None:
    print("a line")
    raise typer.Exit(3)

@app.command()
def crash() -> None:
    raise RuntimeError("a mistake of ours")

app()
"""


def run(*arguments: str, stdout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [["little"], ["much"], ["table"], ["fail"], ["--help"], ["little", "--help"]], ids=str
)
def test_a_reader_that_left_ends_a_command_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = run(*arguments, stdout=writer)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize(
    ("command", "status", "printed"), [("little", 0, "a line\n"), ("table", 0, "a line\n"), ("fail", 3, "a line\n")]
)
def test_with_a_reader_nothing_changes(command: str, status: int, printed: str) -> None:
    ended = run(command, stdout=subprocess.PIPE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, printed, "")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    ended = run("crash", stdout=subprocess.PIPE)
    assert ended.returncode == 1
    assert "RuntimeError: a mistake of ours" in ended.stderr
