"""`attune train ranker` and `attune eval suggestion` straight from the event log: of whom, since when, and how told."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_rows import RowStore
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.logs.event_log import Wanted
from attune.services.cli.main import app
from attune.services.cli.measure.suggestion.cases import logs_of
from attune.services.cli.measure.suggestion.logs import Entry, entries_in_log
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.port import Entry as Record
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.stores import open_event_log, open_store
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.token import Token

START = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE, AFTER = START - timedelta(days=1), START + timedelta(days=1)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RowStore]:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    with closing(open_store(Config())) as opened:
        yield opened


def event(user: str, kind: str, number: int, at: datetime = START, tenant: str = "default") -> InteractionEvent:
    made = InteractionEvent(
        tenant_id=tenant, user_id=user, event_id=f"{kind} {number}", type=EventType.Value(f"EVENT_TYPE_{kind}")
    )
    made.occurred_at.FromDatetime(at)
    return made


def shown(user: str, at: datetime = START, tenant: str = "default", likes: int = 0) -> Iterator[InteractionEvent]:
    """Two suggestions, of which the second is accepted: it has more of the feature that the user likes."""
    for position in (1, 2):
        values = np.zeros(len(FEATURES), np.float32)
        values[likes] = position / 10
        for kind in ("SUGGESTION_SHOWN", "SUGGESTION_ACCEPTED")[:position]:
            made = event(user, kind, position, at, tenant)
            made.query_id = "list"
            made.attributes["suggestion_token"] = Token(2, position, 0.5, "0123abcd", values).encoded()
            made.user_query = "asyncio queue" if kind == "SUGGESTION_ACCEPTED" else ""
            yield made


def asked(user: str, *texts: str, tenant: str = "default") -> Iterator[InteractionEvent]:
    for number, text in enumerate(texts):
        made = event(user, "QUERY", number, START + timedelta(minutes=number), tenant)
        made.user_query = text
        yield made


def log(*events: Iterable[InteractionEvent]) -> None:
    with closing(open_event_log(Config())) as event_log:
        for each in (one for of_user in events for one in of_user):
            event_log.append(TOPIC, [to_entry(each)], each.occurred_at.ToDatetime(UTC))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def trained(out: Path, *options: str) -> dict:
    result = run("train", "ranker", "--from-log", "suggestions", "--out", str(out), "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def judged(*options: str) -> dict:
    result = run("eval", "suggestion", "--from-log", "suggestions", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_ranker_is_learned_from_the_event_log_and_judged_by_it(tmp_path: Path) -> None:
    log(*(shown(f"u{number}") for number in range(6)), asked("u0", "x"))
    with closing(open_event_log(Config())) as event_log:
        event_log.append(TOPIC, [Record(b"default/u0", b"\xff\xff")], START)
    told = trained(tmp_path / "ranker.json")
    assert RankerModel.load(tmp_path / "ranker.json").weights[0] > 0
    assert (told["provenance"]["events"], told["provenance"]["lists"]) == ("event log", 6)
    assert (told["left_out"], told["records_skipped"], told["events_without_query_id"]) == (0, 1, 0)
    summary = judged("--ranker", str(tmp_path / "ranker.json"))["summary"]
    assert (summary["lists"], summary["logged"], summary["replay_rate"], summary["records_skipped"]) == (6, 1, 0, 1)


def test_it_is_told_in_sentences_what_was_passed_over(tmp_path: Path, store: RowStore) -> None:
    log(shown("u0"), shown("u1"))
    store.forget_user(UserKey("default", "u1"), AFTER)
    result = run("train", "ranker", "--from-log", "suggestions", "--out", str(tmp_path / "ranker.json"))
    assert "learned from 1 lists" in result.output
    assert "passed over: left_out 3" in result.output


def test_who_was_forgotten_does_not_teach_with_what_came_before(tmp_path: Path, store: RowStore) -> None:
    log(shown("ada"), shown("bo", likes=1))
    store.forget_user(UserKey("default", "ada"), AFTER)
    told = trained(tmp_path / "ranker.json")
    weights = RankerModel.load(tmp_path / "ranker.json").weights
    assert (told["provenance"]["lists"], told["left_out"]) == (1, 3)
    assert weights[1] > 0
    store.forget_user(UserKey("default", "bo"), AFTER)
    assert "6 of users who were forgotten" in fails(
        "train", "ranker", "--from-log", "suggestions", "--out", str(tmp_path / "none")
    )
    assert not (tmp_path / "none").exists()
    log(shown("ada", AFTER + timedelta(days=1)))
    assert trained(tmp_path / "ranker.json")["provenance"]["lists"] == 1


def fails(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("purpose", [Purpose.STATISTICS, Purpose.LEARNING])
def test_who_does_not_allow_it_does_not_teach(tmp_path: Path, store: RowStore, purpose: Purpose) -> None:
    log(shown("ada"), shown("bo"))
    store.consent(UserKey("default", "ada"), [Choice(BEFORE, purpose, granted=False)])
    assert trained(tmp_path / "ranker.json")["provenance"]["lists"] == 1
    assert judged()["summary"]["left_out"] == 3


def test_who_makes_no_choice_teaches_only_where_that_grants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log(shown("ada"))
    monkeypatch.setenv("ATTUNE_CONSENT_DEFAULT", "withdrawn")
    assert "no suggestion_shown event" in fails("eval", "suggestion", "--from-log", "suggestions")


def test_a_removed_history_and_what_names_a_forgotten_entity_teach_nothing(tmp_path: Path, store: RowStore) -> None:
    (tmp_path / "catalog.jsonl").write_text('{"id": "Q1", "label": "asyncio"}\n')
    log(shown("ada"), shown("bo"), shown("cy"))
    store.suppress(UserKey("default", "ada"), [], AFTER, AFTER)
    store.forget_entity(UserKey("default", "bo"), "Q1", AFTER)
    told = trained(tmp_path / "ranker.json")
    assert (told["provenance"]["lists"], told["left_out"]) == (1, 4)  # all of ada's, and what bo accepted


def test_of_several_tenants_users_with_one_name_are_two_and_one_tenant_may_be_named(tmp_path: Path) -> None:
    log(shown("ada"), shown("ada", tenant="acme"), shown("bo", tenant="acme"))
    found = judged()
    assert (found["summary"]["lists"], found["rows"][0]["users"]) == (3, 3)
    lists = {(row.get("tenant", "all"), row["estimate"]): row["lists"] for row in found["rows"]}
    assert (lists["all", "snips"], lists["acme", "snips"], lists["default", "snips"]) == (3, 2, 1)
    assert judged("--tenant", "acme")["summary"]["lists"] == 2
    assert trained(tmp_path / "ranker.json", "--tenant", "default")["provenance"]["lists"] == 1
    assert "no suggestion_shown event" in fails("eval", "suggestion", "--from-log", "suggestions", "--tenant", "other")


def test_a_window_leaves_out_what_is_older() -> None:
    log(shown("ada"), shown("bo", system_clock() - timedelta(hours=1)))
    assert judged("--window", "1")["summary"]["lists"] == 1


def test_next_queries_are_told_by_tenant_without_those_who_do_not_allow_it(store: RowStore) -> None:
    log(asked("ada", "x", "y", "z"), asked("bo", "v", "w", "u"), asked("ada", "p", "q", "r", tenant="acme"))
    store.forget_user(UserKey("default", "bo"), AFTER)
    entries = entries_in_log(Wanted())
    assert entries.left_out == 3
    assert {tenant: each.pool for tenant, each in logs_of(entries, 9, 0).items()} == {
        "acme": ("p", "q", "r"),
        "default": ("x", "y", "z"),
    }
    assert list(entries_in_log(Wanted("acme", START + timedelta(minutes=2))).by_tenant.values()) == [
        [Entry("ada", (START + timedelta(minutes=2)).timestamp(), "r")]
    ]
    with pytest.raises(CorpusError, match="the event log: no user asked three queries"):
        logs_of(entries_in_log(Wanted("acme", START + timedelta(minutes=2))), 9, 0)
    assert "queries of 2 tenants, acme, default; name one" in fails("eval", "suggestion", "--from-log", "queries")


def test_titles_of_what_was_opened_are_read_from_the_log_as_from_a_file() -> None:
    opened = event("ada", "CLICK", 1)
    opened.object_id, opened.attributes["title"] = "1", "X explained"
    log(asked("ada", "x"), [opened])
    found = entries_in_log(Wanted()).by_tenant["default"]
    assert {(each.text, each.is_page) for each in found} == {("x", False), ("X explained", True)}


def test_wrong_options_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "ranker.json")
    assert "give one of --log" in fails("eval", "suggestion", "--from-log", "queries", "--log", "x")
    assert "give it with --from-log" in fails("train", "ranker", "--events", "x", "--out", out, "--window", "3")
    assert "--from-log" in fails("train", "ranker", "--out", out)
    assert run("eval", "suggestion", "--from-log", "everything").exit_code == 2
    assert run("train", "ranker", "--from-log", "queries", "--out", out, "--tenant", "a/b").exit_code == 2
    assert "the event log: holds no query" in fails("train", "ranker", "--from-log", "queries", "--out", out)
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert "there is no" in fails("train", "ranker", "--from-log", "suggestions", "--out", out)
