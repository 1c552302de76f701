"""The commands from a file to a report: off-policy evaluation and learning from what was accepted need no model."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from attune.services.cli.main import app
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.token import Token

RUN = CliRunner()


def shown(path: Path, users: int = 6, propensity: float = 0.5) -> Path:
    """Each user is shown two suggestions and takes the second, which has the higher cosine."""
    lines = []
    for user in range(users):
        for position in (1, 2):
            values = np.zeros(len(FEATURES), np.float32)
            values[0] = position / 10
            attributes = {"suggestion_token": Token(2, position, propensity, "0123abcd", values).encoded()}
            event = {"user_id": f"u{user}", "query_id": "q", "timestamp": "2026-01-01T00:00:00Z"}
            lines.append(event | {"action_name": "suggestion_shown", "event_attributes": attributes})
            if position == 2:
                lines.append(
                    event | {"action_name": "suggestion_accepted", "message": "x", "event_attributes": attributes}
                )
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_a_ranker_is_learned_from_what_was_accepted_and_judged_by_the_log(tmp_path: Path) -> None:
    events, out = shown(tmp_path / "events.jsonl"), tmp_path / "ranker.json"
    learned = RUN.invoke(app, ["train", "ranker", "--events", str(events), "--out", str(out), "--json"])
    assert learned.exit_code == 0, learned.output
    assert RankerModel.load(out).weights[0] > 0
    judged = RUN.invoke(app, ["eval", "suggestion", "--off-policy", str(events), "--ranker", str(out), "--json"])
    summary = json.loads(judged.stdout)["summary"]
    assert summary["lists"] == 6
    assert summary["logged"] == 1
    assert "ATTUNE_SUGGESTION_EXPLORATION" not in judged.stderr
    assert summary["replay_rate"] == 0  # it puts the accepted one first, and these lists had it second


def test_unknown_is_told_and_that_nothing_was_explored(tmp_path: Path) -> None:
    events, opposite = shown(tmp_path / "events.jsonl", propensity=1), tmp_path / "opposite.json"
    weights = np.zeros(len(FEATURES))
    weights[0] = 1  # the second first
    RankerModel(weights, np.zeros(len(FEATURES)), np.ones(len(FEATURES))).save(opposite)
    judged = RUN.invoke(app, ["eval", "suggestion", "--off-policy", str(events), "--ranker", str(opposite), "--json"])
    found = json.loads(judged.stdout)
    rows = {row["estimate"]: row["accepted_a_list"] for row in found["rows"]}
    assert rows == {"logged": 1, "snips": "unknown", "ips": "unknown", "clipped": "unknown", "replay": "unknown"}
    assert "snips" not in found["summary"]
    assert (found["summary"]["known_places"], found["summary"]["effective_lists"]) == (0, 0)
    assert "ATTUNE_SUGGESTION_EXPLORATION" in judged.stderr


def test_events_without_a_query_id_are_passed_over_and_counted(tmp_path: Path) -> None:
    events = shown(tmp_path / "events.jsonl", users=2)
    first, *rest = map(json.loads, events.read_text().splitlines())
    events.write_text("\n".join(json.dumps(line) for line in ({**first, "query_id": ""}, *rest)))
    judged = RUN.invoke(app, ["eval", "suggestion", "--off-policy", str(events), "--json"])
    assert json.loads(judged.stdout)["summary"]["events_without_query_id"] == 1
    assert "1 without a query_id" in " ".join(judged.stderr.split())


def test_without_a_log_the_options_are_named(tmp_path: Path) -> None:
    assert "--log" in RUN.invoke(app, ["eval", "suggestion"]).stderr
    assert "--events" in RUN.invoke(app, ["train", "ranker", "--out", str(tmp_path / "ranker.json")]).stderr


def test_a_wrong_line_and_a_file_without_tokens_are_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"action_name": "dance"}')
    assert (
        "line 1: action_name: is none of" in RUN.invoke(app, ["eval", "suggestion", "--off-policy", str(wrong)]).stderr
    )
    wrong.write_text('{"action_name": "suggestion_shown", "user_id": "a", "timestamp": 5}')
    found = RUN.invoke(app, ["eval", "suggestion", "--off-policy", str(wrong)])
    assert found.exit_code == 1
    assert "suggestion_token" in found.stderr
