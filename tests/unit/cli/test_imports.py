"""torch takes seconds to import and gigabytes to install: only the embedding role's workers may need it.

Kafka's client is an extra too: only who is told to use it may need it. That of OpenAI's protocol takes a second as
well, and only who has a language model behind a server needs it.
"""

import json
import subprocess
import sys

import pytest

ROLES = ("embedding", "knowledge", "ingest", "search", "suggestion")
COMMANDS = """
import sys
from typer.main import get_command
from attune.services.cli.main import app

def look_through(command):
    for _, child in getattr(command, "commands", {}).items():
        look_through(child)

look_through(get_command(app))
assert "attune.services.cli.measure.retrieval" in sys.modules
print(sorted({"torch", "safetensors", "tokenizers", "kafka", "openai"} & set(sys.modules)))
"""
ROLE_BY_ROLE = f"""
import importlib, json, sys
there = []
for role in {ROLES}:
    importlib.import_module(f"attune.services.{{role}}.main")
    there.append("torch" in sys.modules)
print(json.dumps(there))
"""


def last_line(program: str) -> str:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.splitlines()[-1]


def test_the_command_line_imports_no_extra() -> None:
    assert last_line(COMMANDS) == "[]"


@pytest.fixture(scope="module")
def torch_is_there() -> dict[str, bool]:
    """For each role whether torch is, once its modules are imported in a process that has those before it."""
    return dict(zip(ROLES, json.loads(last_line(ROLE_BY_ROLE)), strict=True))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_imports_no_torch(role: str, torch_is_there: dict[str, bool]) -> None:
    assert not torch_is_there[role]


def test_a_worker_does_so_that_these_tests_can_fail() -> None:
    assert last_line("import sys, attune.embeddings.workers.main; print('torch' in sys.modules)") == "True"
