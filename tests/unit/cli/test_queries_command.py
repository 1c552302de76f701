"""`attune queries count`: from a log or a file, and what is told of either."""

import json
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.suggestion.queries.asking import MANY, START, statistics_of, texts
from typer.testing import CliRunner

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.services.cli.main import app
from attune.services.cli.queries import counting
from attune.services.runtime.config import Config
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.stores import open_event_log, open_store


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["queries", "count", *arguments])
    assert result.exit_code == int(fails), result.output
    return " ".join(result.output.split())


def told(*arguments: str) -> dict:
    found = json.loads(run(*arguments, "--json"))
    assert found.pop("seconds") >= 0
    return found


def rows(*queries: str, users: int = 5) -> list[dict]:
    return [
        {"user": f"u{n}", "ts": f"9709160{n}{place:02}00", "query": text}
        for n in range(users)
        for place, text in enumerate(queries)
    ]


def file_of(directory: Path, lines: list) -> str:
    file = directory / "log.jsonl"
    file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines))
    return str(file)


def kept(directory: Path, tenant: str = "default") -> list[str]:
    return texts(statistics_of(directory / "queries", tenant).beginning("", MANY))


def log_queries(config: Config, text: str) -> None:
    events = []
    for number in range(5):
        made = InteractionEvent(
            tenant_id="default", user_id=f"u{number}", event_id=text, type=EVENT_TYPE_QUERY, user_query=text
        )
        made.occurred_at.FromDatetime(START)
        events.append(to_entry(made))
    with closing(open_event_log(config)) as event_log:
        event_log.append(TOPIC, events, START)


def test_the_event_log_is_counted_with_the_stores_word_on_who_may_be(directory):
    config = Config()
    log_queries(config, "asyncio")
    assert "there is no" in run(fails=True)  # nobody knows who was forgotten
    with closing(open_store(config)) as store:
        assert told() == {"asked": 5, "screened": 0, "queries": {"default": 1}, "left_out": 0, "skipped": 0}
        assert kept(directory) == ["asyncio"]
        store.forget_user(UserKey("default", "u0"), START)
    assert told() == {"asked": 4, "screened": 0, "queries": {}, "left_out": 1, "skipped": 0}
    assert kept(directory) == []


def test_a_file_of_rows_is_counted_without_a_store(directory):
    file = file_of(directory, [*rows("sql", "sql join", "me@example.com"), *rows("rare", users=4), ""])
    assert told("--log", file) == {"asked": 19, "screened": 1, "queries": {"default": 2}, "left_out": 0, "skipped": 0}
    assert texts(statistics_of(directory / "queries", "default").next_after("sql", 5)) == ["sql join"]
    assert told("--log", file, "--at-least", "4", "--tenant", "acme")["queries"] == {"acme": 3}
    assert kept(directory) == ["sql", "sql join"]  # a file of one tenant says nothing of another


def test_a_file_replaces_what_was_counted_of_its_own_tenants(directory):
    event = {
        "tenant_id": "other",
        "user_id": "u0",
        "type": "query",
        "user_query": "x",
        "occurred_at": "2026-01-31T12:00:00Z",
    }
    for tenant in ("default", "other", "third"):
        told("--log", file_of(directory, rows("sql")), "--tenant", tenant)
    (directory / "queries" / ".of-gone.sqlite.draft").touch()
    told("--log", file_of(directory, [event | {"event_id": "e"}]))
    assert [kept(directory, tenant) for tenant in ("default", "other", "third")] == [[], [], ["sql"]]
    assert list((directory / "queries").glob(".of-*")) == []


@pytest.mark.parametrize("tenant", ["a/b", "../up", "", "x" * 65, "a\n"])
def test_what_is_no_tenant_is_refused(directory, tenant):
    result = CliRunner().invoke(app, ["queries", "count", "--log", file_of(directory, rows("sql")), "--tenant", tenant])
    assert result.exit_code == 2
    assert "--tenant" in result.output
    assert not (directory / "queries").exists()


def test_a_file_may_have_events_and_other_times_and_sessions(directory):
    event = {
        "event_id": "e",
        "user_id": "u0",
        "type": "query",
        "user_query": "x",
        "occurred_at": "2026-01-31T12:00:00Z",
    }
    row = {"user": "u1", "time": "2026-01-31T12:00:00+01:00", "query": "x", "session": "s"}
    ubi = {"action_name": "on_search", "user_query": "x", "user_id": "u2", "timestamp": "2026-01-31T12:00:00Z"}
    found = told("--log", file_of(directory, [event, row, ubi]), "--at-least", "2", "--skip-invalid")
    assert found["asked"] + found["skipped"] == 3
    assert kept(directory) == ["x"]


def test_a_wrong_line_is_named_or_left_out(directory):
    file = file_of(directory, [*rows("sql"), {"user": "u", "query": 7, "ts": "970916000000"}])
    printed = run("--log", file, fails=True)
    assert "line 6, field query: is a int" in printed
    assert "--skip-invalid" in printed
    assert kept(directory) == []
    assert told("--log", file, "--skip-invalid") == {
        "asked": 5,
        "screened": 0,
        "queries": {"default": 1},
        "left_out": 0,
        "skipped": 1,
    }


def test_a_query_of_a_megabyte_is_left_out(directory):
    assert told("--log", file_of(directory, rows("x" * (1 << 20))))["asked"] == 0


def test_one_user_is_never_enough(directory):
    result = CliRunner().invoke(app, ["queries", "count", "--at-least", "1"])
    assert result.exit_code == 2
    assert "at-least" in result.output


def test_files_that_cannot_be_used_are_told(directory, monkeypatch):
    assert "cannot be read" in run("--log", str(directory / "nowhere"), fails=True)
    monkeypatch.setenv("ATTUNE_DENYLIST_PATH", str(directory / "nowhere"))
    assert "ATTUNE_DENYLIST_PATH" in run("--log", file_of(directory, rows("sql")), fails=True)


def test_entities_are_linked_with_the_catalog(directory):
    (directory / "catalog.jsonl").write_text('{"id": "Q1", "label": "asyncio"}\n')
    told("--log", file_of(directory, rows("asyncio queue")))
    assert texts(statistics_of(directory / "queries", "default").naming(["Q1"], 5)) == ["asyncio queue"]


def test_a_count_with_vectors_names_their_model(directory, monkeypatch):
    client = SimpleNamespace(
        embed=lambda asked, **_: np.ones((len(asked), 2), np.float32), model_info=lambda: SimpleNamespace(model_id="m")
    )
    monkeypatch.setattr(counting, "connect", lambda _token: nullcontext(client))
    told("--log", file_of(directory, rows("sql")), "--vectors")
    found = statistics_of(directory / "queries", "default")
    assert found.vectors_by == "m"
    assert found.beginning("", MANY)[0].vector is not None


def test_people_are_told_in_sentences(directory):
    printed = run("--log", file_of(directory, rows("sql", "me@example.com")))
    assert printed.startswith("1 queries of 1 tenants, from 10 askings")
    assert "1 texts that must not be suggested" in printed
