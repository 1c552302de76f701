"""`attune store summarize`: whose summaries are due have them, with a model, without, and where it goes wrong."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.fakes.llm_server import LlmServer, completion, llm_server
from tests.unit.knowledge_store.builders import ANNA, BEN, START, TWIN, days, line, projected
from typer.testing import CliRunner

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import Summary
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.cli.main import app

USERS = (ANNA, BEN, TWIN)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["store", "summarize", *map(str, arguments)])


def counts(*arguments: object) -> dict[str, Any]:
    ended = run("--json", *arguments)
    assert ended.exit_code == 0, ended.output
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    for name in ("STORE_URL", "LLM_BASE_URL", "LLM_MODEL", "CATALOG_PATH"):
        monkeypatch.delenv(f"ATTUNE_{name}", raising=False)
    (tmp_path / "catalog.jsonl").write_text(line("a", "Jazz") + "\n" + line("b", "Chess") + "\n")
    return tmp_path


@pytest.fixture
def store(directory: Path) -> Iterator[SqliteStore]:
    """Three users of one event each."""
    opened = SqliteStore(directory / "knowledge.sqlite")
    opened.apply([projected("1", "a", user=user, at=START) for user in USERS])
    yield opened
    opened.close()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlmServer]:
    with llm_server() as server:
        server.answer = completion('{"summary": "Listens to jazz."}')
        monkeypatch.setenv("ATTUNE_LLM_BASE_URL", server.base_url)
        monkeypatch.setenv("ATTUNE_LLM_MODEL", "small-1")
        yield server


def texts(store: SqliteStore) -> list[str | None]:
    found = [store.summary(user) for user in USERS]
    return [summary and summary.text for summary in found]


def test_who_has_no_summary_gets_one_of_the_store(store: SqliteStore) -> None:
    assert counts() == {"made": 3, "skipped": 0, "model_failed": 0, "reason": ""}
    assert texts(store) == ["Also: Jazz."] * 3
    assert counts()["made"] == 0


def test_it_is_made_again_after_so_many_events(store: SqliteStore) -> None:
    counts()
    store.apply([projected("2", "b", at=START), projected("3", "b", at=START)])
    assert counts("--every", 3)["made"] == 0
    assert counts("--every", 2)["made"] == 1
    summary = store.summary(ANNA)
    assert summary is not None
    assert (summary.version, summary.events) == (2, 3)


def test_who_allows_no_summary_gets_none(store: SqliteStore) -> None:
    store.consent(BEN, [Choice(START, Purpose.SUMMARY, False)])
    assert counts()["made"] == 2
    assert store.summary(BEN) is None


def test_who_has_nothing_that_the_catalog_knows_is_skipped(store: SqliteStore) -> None:
    store.forget_entity(ANNA, "a", days(1))
    store.apply([projected("2", "gone", at=days(2))])
    assert run().stdout == "2 summaries made, 1 users skipped\n"


def test_a_configured_model_writes(store: SqliteStore, model: LlmServer) -> None:
    assert counts() == {"made": 3, "skipped": 0, "model_failed": 0, "reason": ""}
    summary = store.summary(BEN)
    assert isinstance(summary, Summary)
    assert (summary.text, summary.made_by) == ("Listens to jazz.", "small-1")
    asked = json.dumps(model.requests)
    assert "Jazz" in asked
    assert ANNA.user not in asked


def test_a_model_that_is_down_is_told_of_and_the_store_writes(
    store: SqliteStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ATTUNE_LLM_MODEL", "small-1")
    ended = run()
    assert ended.exit_code == 0
    assert "failed for 3 users" in ended.stdout
    assert "cannot be reached" in " ".join(ended.stdout.split())
    assert texts(store) == ["Also: Jazz."] * 3


def test_a_user_who_is_forgotten_while_the_model_writes_has_none(store: SqliteStore, model: LlmServer) -> None:
    answer = completion("Jazz.")

    def forget(request: dict[str, Any]) -> tuple[int, bytes]:
        store.forget_user(ANNA, days(1))
        return answer(request)

    model.answer = forget
    assert counts() == {"made": 2, "skipped": 1, "model_failed": 0, "reason": ""}
    assert texts(store) == [None, "Jazz.", "Jazz."]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which lets its children ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_broken_off_it_keeps_what_was_made_and_goes_on(store: SqliteStore, model: LlmServer) -> None:
    answer = completion("Jazz.")

    def interrupt(request: dict[str, Any]) -> tuple[int, bytes]:
        if len(model.requests) == 2:
            # To the thread that waits for this answer, so that it is interrupted there and nowhere else.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        return answer(request)

    model.answer = interrupt
    ended = run()
    assert ended.exit_code == 130
    assert "run the same command again" in ended.output
    assert texts(store)[0] == "Jazz."
    assert texts(store)[2] is None
    counts()
    assert texts(store) == ["Jazz."] * 3
    assert {store.summary(user).version for user in USERS} == {1}  # type: ignore[union-attr]


@pytest.mark.parametrize("every", ["0", "-1", "often"])
def test_a_wrong_interval_is_refused(store: SqliteStore, every: str) -> None:
    refused = run("--every", every)
    assert refused.exit_code == 2
    assert texts(store) == [None] * 3


def test_a_model_without_a_name_is_one_sentence(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    refused = run()
    assert refused.exit_code == 1
    assert "ATTUNE_LLM_MODEL is empty" in refused.output
    assert texts(store) == [None] * 3


def test_where_there_is_no_store_none_is_made(directory: Path) -> None:
    refused = run()
    assert refused.exit_code == 1
    assert "there is no" in refused.output
    assert not (directory / "knowledge.sqlite").exists()
