"""`attune train ranker --for search` and `attune eval interleaving`, from a file of events and from the event log."""

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.unit.search.simulated_clicks import DRAWN, World, by, weights
from typer.testing import CliRunner, Result

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.main import app
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.search.ranking.features import NAMES
from attune.services.search.ranking.model import SearchRanker

NOW = datetime(2026, 11, 3, tzinfo=UTC)
TRUTH = weights(dense=2.0, personal=1.0)
BETTER, WORSE = by(TRUTH), by(weights(bm25=1.0))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def events(seed: int = 0, *, lists: int = 200) -> list[InteractionEvent]:
    """With ids and times, as the log has them."""
    found = list(World(TRUTH, seed, seldom=0.0).interleaved(lists, WORSE, BETTER, users=50))
    for number, each in enumerate(found):
        each.event_id = f"e{number}"
        each.occurred_at.FromDatetime(NOW)
    return found


def written(path: Path, found: Iterable[InteractionEvent]) -> Path:
    path.write_text("".join(f"{json.dumps(MessageToDict(each, preserving_proto_field_name=True))}\n" for each in found))
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("events") / "events.jsonl", events())


def test_a_ranker_of_search_says_where_it_comes_from(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "ranker.json"
    told = printed(run("train", "ranker", "--for", "search", "--events", log, "--out", out, "--json"))
    made = SearchRanker.load(out)
    assert told["version"] == made.version
    assert told["provenance"]["events"] == "events.jsonl"
    assert (told["provenance"]["lists"], told["provenance"]["users"]) == (200, 50)
    assert told["provenance"]["position_bias"]["looked_at"]["1"] == 1.0
    assert NAMES[int(made.weights[:DRAWN].argmax())] == "dense"
    shown = run("train", "ranker", "--for", "search", "--events", log, "--out", out)
    assert f"ranker of search {made.version}, learned from 200 lists" in " ".join(shown.output.split())


def test_the_better_ranking_is_told_with_its_interval(log: Path) -> None:
    told = printed(run("eval", "interleaving", "--log", log, "--json"))
    (row,) = told["rows"]
    assert (row["first"], row["second"], row["winner"], row["by"]) == ("personal", "plain", "plain", "interleaving")
    assert 0 < row["low"] < row["effect"] < row["high"]
    assert told["summary"]["p_value"] == row["p_value"] < 0.05
    assert "plain is better than personal (interleaving)" in run("eval", "interleaving", "--log", log).output


def test_without_a_winner_it_is_told_how_many_sessions_it_would_take(tmp_path: Path) -> None:
    few = written(tmp_path / "few.jsonl", events(6, lists=20))
    (row,) = printed(run("eval", "interleaving", "--log", few, "--json"))["rows"]
    assert row["winner"] == "none"
    assert row["sessions_needed"] == "unknown" or row["sessions_needed"] > row["sessions"]
    assert "may be equal" in run("eval", "interleaving", "--log", few).output


def test_simulated_clicks_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    played = events(lists=60)
    for each in played:
        each.attributes["origin"] = "simulated"
    file = written(tmp_path / "played.jsonl", played)
    for command in (
        ("eval", "interleaving", "--log"),
        ("train", "ranker", "--for", "search", "--out", tmp_path / "r.json", "--events"),
    ):
        refused = run(*command, file)
        assert refused.exit_code == 1
        assert "simulated" in refused.output
        assert run(*command, file, "--simulated").exit_code == 0


def test_without_a_file_the_event_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    with closing(LocalEventLog(tmp_path / "events")) as opened:
        opened.append(TOPIC, [to_entry(each) for each in events(lists=40)], NOW)
    (row,) = printed(run("eval", "interleaving", "--json"))["rows"]
    assert (row["lists"], row["users"]) == (40, 40)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "ranker", "--for", "search", "--out", "r.json", "--log", "l", "--events", "e"), "--log"),
        (("train", "ranker", "--for", "search", "--out", "r.json", "--events", "missing.jsonl"), "missing.jsonl"),
        (("eval", "interleaving", "--log", "missing.jsonl"), "missing.jsonl"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(arguments: tuple[str, ...], told: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert told in refused.output
    assert "Traceback" not in refused.output


def test_a_file_without_tokens_says_what_to_send(tmp_path: Path) -> None:
    bare = events(lists=2)
    for each in bare:
        each.attributes.clear()
    refused = run("eval", "interleaving", "--log", written(tmp_path / "bare.jsonl", bare))
    assert refused.exit_code == 1
    assert "put the token of each hit into attributes" in refused.output.replace("\n", " ")
