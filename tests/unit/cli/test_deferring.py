"""A command is imported when it is asked for, and not before."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from attune.services.cli import deferring
from attune.services.cli.main import app

IMPORTED = """
import sys
from typer.main import get_command
from attune.services.cli.main import app

commands = get_command(app).commands
assert list(commands)[:3] == ["demo", "up", "index"], list(commands)
assert "up" in commands and "fly" not in commands and len(commands) == len(list(commands))
assert commands["up"].name == "up"
print(*(name for name in sys.modules if name.startswith(("attune.services.cli.measure", "attune.services.cli.train"))))
"""


def test_a_server_imports_nothing_that_measures_or_trains() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], check=True, capture_output=True, text=True)  # noqa: S603 - this interpreter
    assert done.stdout.split() == []


def test_an_import_that_fails_is_no_unknown_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_module: str) -> None:
        raise KeyError("of an import")

    monkeypatch.setattr(deferring, "import_module", broken)
    result = CliRunner().invoke(app, ["eval", "routing"])
    assert isinstance(result.exception, KeyError)
    assert CliRunner().invoke(app, ["eval", "nosuch"]).exit_code == 2


def test_a_command_that_is_misspelled_is_guessed() -> None:
    result = CliRunner().invoke(app, ["serch"])
    assert result.exit_code == 2
    assert "search" in result.output


def test_a_group_says_what_it_has_in_the_order_of_use() -> None:
    result = CliRunner().invoke(app, ["eval", "--help"])
    assert result.output.index("retrieval") < result.output.index("merge") < result.output.index("personalization")
