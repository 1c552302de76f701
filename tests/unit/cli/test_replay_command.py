"""`attune events replay` as a user meets it, on a log and a store in a directory of its own."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import line
from typer.testing import CliRunner, Result

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_model import Removal
from attune.services.cli.main import app
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.removals import append_removal
from attune.services.runtime.stores import open_shadow, open_store

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=400)
ADA, BEA = UserKey("default", "ada"), UserKey("default", "bea")


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    url = new_database(request.getfixturevalue("postgres_url")) if request.param == "postgres" else ""
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ATTUNE_STORE_URL", url)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalog.jsonl").write_text(line("q1", "jazz") + "\n" + line("q2", "sailing") + "\n")
    return Config()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["events", "replay", *map(str, arguments)])


def told(*arguments: object) -> dict[str, Any]:
    ended = run(*arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return dict(json.loads(ended.stdout))


def sentence(*arguments: object) -> str:
    ended = run(*arguments)
    assert ended.exit_code == 1
    return " ".join(ended.stderr.split())


def log_events(config: Config, *events: tuple[str, str, datetime]) -> None:
    log = LocalEventLog(config.data_dir / "events")
    for number, (user, text, at) in enumerate(events):
        event = InteractionEvent(
            event_id=f"e{number}", tenant_id="default", user_id=user, type=EVENT_TYPE_QUERY, user_query=text
        )
        event.occurred_at.FromDatetime(at)
        log.append(TOPIC, [to_entry(event)], at)
    log.close()


def file_of(tmp_path: Path, *lines: dict[str, Any] | str) -> Path:
    file = tmp_path / "history.jsonl"
    file.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return file


def old_query(event_id: str, user: str, text: str, **more: Any) -> dict[str, Any]:
    event = {"event_id": event_id, "user_id": user, "type": "query", "user_query": text, "occurred_at": OLD.isoformat()}
    return event | more


def entities(config: Config, users: Iterable[UserKey] = (ADA, BEA)) -> dict[str, list[str]]:
    store = open_store(config)
    try:
        return {user.user: sorted(store.view(user).states) for user in users}
    finally:
        store.close()


def test_a_store_is_compared_with_its_log_and_built_anew(config):
    log_events(config, ("ada", "jazz", NOW), ("bea", "sailing", NOW))
    assert told()["events"]["new"] == 2
    assert entities(config) == {"ada": ["q1"], "bea": ["q2"]}
    assert told("--dry-run")["differing"] == 0
    store = open_store(config)
    store.put_users([(BEA, next(record for user, record in store.users() if user == ADA))])
    store.close()
    found = told("--dry-run", "--show-users", 5)
    assert (found["differing"], found["changed"], found["first_differing"]) == (1, 1, ["default/bea"])
    assert "first_differing" not in told("--dry-run")
    shown = run("--dry-run").stdout
    assert "1 users differ: 0 would go, 0 come, 1 change" in shown
    assert "nothing was changed" in shown
    assert "the store was built anew and is in use; writers waited" in run().stdout
    assert entities(config) == {"ada": ["q1"], "bea": ["q2"]}


def test_old_history_is_filled_in_from_a_file(config, tmp_path):
    log_events(config, ("ada", "jazz", NOW))
    append_removal(log := LocalEventLog(config.data_dir / "events"), Removal(BEA, NOW - timedelta(days=1)))
    log.close()
    lines = [
        old_query("h1", "ada", "sailing"),
        "",
        old_query("h2", "bea", "sailing"),
        old_query("e0", "ada", "sailing"),
    ]
    events = told("--file", file_of(tmp_path, *lines))["events"]
    assert (events["new"], events["forgotten"], events["duplicates"]) == (2, 1, 1)
    assert entities(config) == {"ada": ["q2"], "bea": []}
    assert told("--file", file_of(tmp_path, *lines[:1]), "--file-only")["whole"] is False
    assert entities(config) == {"ada": ["q2"], "bea": []}
    told("--file", file_of(tmp_path, old_query("h1", "ada", "jazz")), "--tenant", "other")
    assert entities(config, [ADA, UserKey("other", "ada")]) == {"ada": ["q1"]}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "line 2: the value is not a JSON object in UTF-8"),
        ([old_query("h2", "", "jazz")], "line 2: user is empty: give the identifier"),
        ([old_query("h2", "ada", "jazz", occurred_at=None)], "line 2: occurred_at is missing: say when"),
        (
            [old_query("h2", "ada", "jazz", occurred_at="2999-01-01T00:00:00Z")],
            "line 2: occurred_at: is more than five",
        ),
        ([old_query("h2", "ada", "jazz", type="nonsense")], "line 2: type: is no kind of event"),
        ([old_query("h2", "a" * 5000, "jazz")], "line 2: user_id"),
        ([old_query("", "ada", "jazz")], "line 2: event_id"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_changed(config, tmp_path, lines, why):
    log_events(config, ("ada", "jazz", NOW))
    told()
    file = file_of(tmp_path, old_query("h1", "ada", "sailing"), *lines)
    assert f"{file}, {why}" in sentence("--file", file)
    assert entities(config) == {"ada": ["q1"], "bea": []}
    shadow = open_shadow(config)
    assert not shadow.had_leftover
    shadow.close()


def test_what_cannot_be(config, tmp_path):
    assert "has no events: name the log of the services, or give a file of history with --file" in sentence()
    log_events(config, ("ada", "jazz", NOW))
    assert "partition 0 of attune.interactions.v1 ends at 1" in sentence("--from-offset", "0:2")
    assert "has the partitions 0 to 0: name one of them" in sentence("--from-offset", "1:0")
    assert "partition 0 is named twice" in sentence("--from-offset", "0:0", "--from-offset", "0:1")
    assert "is in the future" in sentence("--from-time", "2999-01-01")
    assert "give one of them" in sentence("--from-time", "2020-01-01", "--from-offset", "0:0")
    assert "give a file of events with --file" in sentence("--file-only")
    assert "cannot be read" in sentence("--file", tmp_path / "absent.jsonl")
    assert run("--from-time", "yesterday").exit_code == 2


def test_a_log_of_another_store_is_refused(config):
    log_events(config, ("ada", "jazz", NOW), ("bea", "jazz", NOW))
    told()
    log = LocalEventLog(config.data_dir / "events")
    log.close()
    for file in (config.data_dir / "events" / TOPIC / "0").glob("*.log"):
        file.write_bytes(b"")
    log_events(config, ("ada", "sailing", NOW))
    assert "but the log ends at 1: put the log back that this store was computed from" in sentence()
    assert entities(config) == {"ada": ["q1"], "bea": ["q1"]}


def test_what_a_broken_off_run_has_left_is_told_of_and_removed(config):
    log_events(config, ("ada", "jazz", NOW))
    told()
    if config.store_url.get_secret_value():
        import psycopg  # noqa: PLC0415 - an extra

        with psycopg.connect(config.store_url.get_secret_value(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA attune_shadow; CREATE TABLE attune_shadow.users (half text)")
    else:
        (config.data_dir / "knowledge.sqlite.shadow").write_text("half")
    ended = run()
    assert ended.exit_code == 0
    assert "what a replay that was broken off had left behind is removed" in " ".join(ended.stderr.split())
    assert sorted(each.name for each in config.data_dir.glob("*.shadow*")) in ([], ["knowledge.sqlite.shadow-lock"])
