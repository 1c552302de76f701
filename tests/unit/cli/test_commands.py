"""Commands without a server: help with an example, and one sentence for what the user can mend."""

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attune.services.cli.main import app

COMMANDS = [
    ["demo"],
    ["up"],
    ["index"],
    ["events", "send"],
    ["events", "dlq", "list"],
    ["events", "dlq", "show"],
    ["events", "dlq", "replay"],
    ["search"],
    ["suggest"],
    ["user", "show"],
    ["user", "consent"],
    ["user", "export"],
    ["user", "forget"],
    ["store", "backup"],
    ["store", "restore"],
    ["store", "expire"],
    ["store", "audit"],
    ["store", "summarize"],
    ["eval", "store"],
    ["eval", "retrieval"],
    ["bench", "embedding"],
]


def run(*arguments: str, **options: str):
    return CliRunner().invoke(app, list(arguments), **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("EMBEDDING", "KNOWLEDGE", "SUGGESTION", "SEARCH"):
        monkeypatch.setenv(f"ATTUNE_{role}_ADDRESS", "127.0.0.1:9")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str]) -> None:
    shown = run(*command, "--help")
    assert shown.exit_code == 0
    assert (
        f"Example: attune {' '.join(command)}" in " ".join(shown.output.split()) or "Example: ATTUNE_" in shown.output
    )


def test_without_a_command_the_help_is_shown() -> None:
    assert "events" in run().output


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("not json", "line 2: the value is not a JSON object"),
        ('{"type": "dance"}', "line 2: type: is no kind of event"),
        ('{"type": "click", "no_such_field": 1}', "no_such_field"),
        ('{"no_such_field": 1}', "line 2: the value has to have either type"),
        ('{"action_name": "click", "timestamp": "now"}', "line 2: timestamp: "),
        ("[1]", "line 2: the value is not a JSON object"),
    ],
)
def test_a_broken_event_is_named_by_its_line_and_nothing_is_sent(tmp_path: Path, line: str, sentence: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f'{{"event_id": "1", "user_id": "u", "type": "query"}}\n{line}\n')
    sent = run("events", "send", str(file))
    assert sent.exit_code == 1
    assert sentence in " ".join(sent.output.split())


@pytest.mark.parametrize(
    "command", [["index", "nowhere"], ["events", "send", "nowhere"], ["demo", "--data", "nowhere"]]
)
def test_a_missing_file_is_one_sentence(command: list[str]) -> None:
    done = run(*command)
    assert done.exit_code == 1
    assert "nowhere" in done.output
    assert "Traceback" not in done.output


def test_a_document_line_without_an_id_is_named(tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    file.write_text('{"_id": "1", "text": "fine"}\n{"text": "no id"}\n')
    done = run("index", str(file))
    assert done.exit_code == 1
    assert "line 2, field _id" in " ".join(done.output.split())


@pytest.mark.parametrize("command", [["search", "x"], ["suggest", "x"], ["user", "show", "u"], ["user", "export", "u"]])
def test_an_unreachable_server_is_one_sentence_with_the_mend(command: list[str]) -> None:
    done = run(*command)
    assert done.exit_code == 1
    assert "attune up" in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_forgetting_asks_first() -> None:
    assert run("user", "forget", "ada", input="n\n").exit_code == 1


def test_the_version_is_told() -> None:
    told = run("--version")
    assert (told.exit_code, told.stdout) == (0, f"attune {version('attune')}\n")
