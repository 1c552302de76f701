"""`attune eval completion` and `attune bench suggestion`: strictly others and earlier, and what helps is seen to."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import UserKey
from attune.services.cli.main import app
from attune.services.cli.measure.completion.replay import reciprocal, replay, saved
from attune.services.suggestion.queries.asked import Asked

START = datetime(2026, 3, 1, tzinfo=UTC)
NOTHING = LoadedCatalog.of(Catalog.load([]))


def asked(user: str, text: str, minute: int) -> Asked:
    return Asked(UserKey("t", user), text, START + timedelta(minutes=minute))


def test_only_others_and_only_earlier_queries_complete():
    log = [
        asked("a", "first", 0),
        asked("a", "later", 1),
        asked("b", "x", 2),
        asked("b", "later", 3),
        asked("b", "last", 4),
    ]
    cases = list(replay(log, NOTHING, 1, 0))
    assert [(case.user, case.is_known, case.is_new) for case in cases] == [
        ("a", False, True),
        ("b", True, True),
        ("b", False, True),
    ]
    assert cases[0].ranks["popular"] == [0, 0, 0, 0]
    assert cases[1].ranks["popular"] == [1, 1, 1, 1]
    assert (reciprocal(cases[1], "popular"), saved(cases[1], "popular")) == (1.0, pytest.approx(0.6))
    assert (reciprocal(cases[0], "popular"), saved(cases[0], "popular")) == (0.0, 0.0)


def test_of_the_users_own_session_the_personal_order_knows_and_anothers_does_not_help():
    log = [asked(f"o{n}", text, n) for n in range(4) for text in ("java island", "java code")]
    log += [asked("o5", "java code", 8), asked("u", "island trip", 100), asked("u", "java island", 101)]
    case = [each for each in replay(log, NOTHING, 1, 0) if each.user == "u"][-1]
    assert case.ranks["popular"][0] == 2
    assert case.ranks["personal"][0] == 1
    assert case.ranks["another"][0] == 2


def rows(file: Path) -> str:
    lines = [
        {"user": f"u{n}", "ts": f"97091600{n:02}{place:02}", "query": text}
        for n in range(4)
        for place, text in enumerate(("sql", "sql join"))
    ]
    file.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return str(file)


def test_the_command_reports_by_letters_and_by_cases(tmp_path):
    out = tmp_path / "completion.json"
    result = CliRunner().invoke(
        app, ["eval", "completion", "--log", rows(tmp_path / "log.jsonl"), "--out", str(out), "--json"]
    )
    assert result.exit_code == 0, result.output
    made = json.loads(out.read_text())
    assert made == json.loads(result.stdout)
    assert made["summary"]["cases"] == 4
    assert made["rows"][0]["mrr_popular"] == pytest.approx((0 + 0.5 + 0.5 + 0.5) / 4)
    assert out.with_suffix(".md").exists()


def test_a_log_without_histories_is_refused(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"user": "u", "ts": "970916000000", "query": "q"}\n')
    result = CliRunner().invoke(app, ["eval", "completion", "--log", str(tmp_path / "log.jsonl")])
    assert result.exit_code == 1
    assert "no user has two different queries" in result.output


def test_the_bench_measures_each_look_up_and_the_service(tmp_path):
    command = ["bench", "suggestion", "--queries", "2000", "--lookups", "10", "--directory", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout.splitlines()[-1])
    measured = {row["what"] for row in made["rows"]}
    assert {"file", "next_after", "naming", "containing", "together", "beginning, 1 letters"} <= measured
    assert sum(what.startswith("CompleteQuery") for what in measured) == 6
    assert made["summary"]["look_ups_together_p95_ms"] > 0
    assert list(tmp_path.iterdir()) == []
