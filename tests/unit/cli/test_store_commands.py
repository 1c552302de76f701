"""`attune store` and `attune eval store` as a user meets them, on a store in a directory of its own."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import ANNA, BEN, line, projected
from typer.testing import CliRunner, Result

from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_postgres import PostgresStore
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.cli.main import app
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.data_directory import DataDirectory

NOW = datetime.now(UTC)
PLACES = ("users", "tombstones", "consents", "summaries", "positions", "objects")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def sentence(ended: Result) -> str:
    assert ended.exit_code == 1
    return " ".join(ended.output.split())


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(place))
    monkeypatch.delenv("ATTUNE_STORE_URL", raising=False)
    return place


@pytest.fixture
def filled(directory: Path) -> Path:
    store = SqliteStore(directory / "knowledge.sqlite")
    old = NOW - timedelta(days=40)
    store.apply(
        [projected("1", "q1", "q2", at=old), projected("2", "q1", at=NOW), projected("3", "q1", user=BEN, at=old)]
    )
    store.close()
    (directory / "catalog.jsonl").write_text(line("q1", "Jazz") + "\n" + line("q2", "print") + "\n")
    return directory


def test_a_store_is_backed_up_and_restored_elsewhere(filled, tmp_path, monkeypatch):
    file = tmp_path / "store.attune"
    counts = dict.fromkeys(PLACES, 0) | {"users": 2}
    assert json.loads(run("store", "backup", file, "--json").output) == counts
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path / "other"))
    assert run("store", "restore", file).stdout.strip() == "2 users, " + ", ".join(f"0 {place}" for place in PLACES[1:])
    first, second = (SqliteStore(place / "knowledge.sqlite") for place in (filled, tmp_path / "other"))
    assert list(first.dump()) == list(second.dump())
    first.close()
    second.close()


def test_a_store_moves_to_postgresql(filled, tmp_path, monkeypatch, postgres_url):
    file, url = tmp_path / "store.attune", new_database(postgres_url)
    assert run("store", "backup", file).exit_code == 0
    monkeypatch.setenv("ATTUNE_STORE_URL", url)
    assert run("store", "restore", file).exit_code == 0
    figures = json.loads(run("store", "audit", "--json").output)
    assert (figures["users"], figures["entities"]) == (2, 3)
    assert figures["bytes_on_disk"] > figures["bytes_of_records_per_user"] * 2
    first, second = SqliteStore(filled / "knowledge.sqlite"), PostgresStore(url)
    assert list(first.dump()) == list(second.dump())
    first.close()
    second.close()


def test_refusals_are_one_sentence_with_the_mend(filled, tmp_path):
    file = tmp_path / "store.attune"
    assert run("store", "backup", file).exit_code == 0
    assert "exists: give the name of a new file" in sentence(run("store", "backup", file))
    assert "the store is not empty: name a new one" in sentence(run("store", "restore", file))
    file.write_bytes(file.read_bytes()[:-9])
    (filled / "knowledge.sqlite").unlink()
    assert "ends too early" in sentence(run("store", "restore", file))


@pytest.mark.parametrize("command", [("backup", "file"), ("expire", "--older-than", 1), ("audit",)], ids=str)
def test_where_there_is_no_store_none_is_made(directory, command):
    (directory / "catalog.jsonl").write_text(line("q1") + "\n")
    assert "there is no" in sentence(run("store", *command))
    assert not (directory / "knowledge.sqlite").exists()


def test_nothing_is_restored_under_a_running_service(directory, tmp_path):
    held = DataDirectory.lock(Config(), [RoleName.KNOWLEDGE])
    assert "is in use" in sentence(run("store", "restore", tmp_path / "any"))
    held.release()


def test_a_dry_run_only_counts_what_is_too_old(filled):
    expired = {"entities": 2, "users": 1, "readings": 0, "statements": 0}
    for dry_run in (True, False):
        arguments = ["--dry-run"] if dry_run else []
        told = run("store", "expire", "--older-than", 30, "--json", *arguments)
        assert json.loads(told.output) == {**expired, "dry_run": dry_run}
    assert json.loads(run("store", "expire", "--older-than", 30, "--json").output)["entities"] == 0


def test_an_audit_tells_figures_and_rules_and_no_user(filled):
    figures = json.loads(run("store", "audit", "--json").output)
    assert (figures["users"], figures["entities"], figures["junk"]) == (2, 3, 1)
    assert figures["rules"]["common_word"]["examples"] == ["print"]
    shown = run("store", "audit").output
    assert "junk rate" in shown
    assert ANNA.user not in shown


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Path, Path]:
    """Two sets of logs, and a catalog with a line that has no label."""
    queries, statements = tmp_path / "logs" / "web", tmp_path / "logs" / "said"
    queries.mkdir(parents=True)
    statements.mkdir()
    asked = [("u1", "970916000002", "jazz clubs in co"), ("u2", "970916000001", "xyz"), ("u1", "970916000003", "jazz")]
    (queries / "logs.jsonl").write_text(
        "".join(json.dumps({"user": user, "ts": ts, "query": query}) + "\n" for user, ts, query in asked)
    )
    (statements / "users_ptkb.jsonl").write_text(json.dumps({"user": "p", "ptkb": {"1": "I like jazz."}}) + "\n")
    catalog = tmp_path / "catalog.jsonl"
    entities = [("Q1", "jazz", []), ("Q2", "Colorado", ["CO"]), ("Q3", "", [])]
    catalog.write_text(
        "".join(json.dumps({"qid": qid, "label": label, "aliases": names}) + "\n" for qid, label, names in entities)
    )
    return tmp_path / "logs", catalog


def test_real_logs_are_replayed_and_audited(measured, tmp_path):
    users, catalog = measured
    out = tmp_path / "report.json"
    ended = run("eval", "store", "--users", users, "--catalog", catalog, "--sample", 9, "--out", out, "--json")
    assert ended.exit_code == 0, ended.output
    report = json.loads(out.read_text())
    rows = report["rows"]
    assert report["summary"]["junk_rate"] == max(row["junk"] for row in rows if "junk" in row)
    said, web = (row for row in rows if "texts" in row)
    assert (said["set"], said["users"], said["texts_linked"], said["junk"]) == ("said", 1, 1.0, 0.0)
    assert (web["users"], web["texts"], web["texts_linked"], web["entities"]) == (2, 3, 2 / 3, web["entities_max"])
    sampled = {(row["set"], row["sampled"]): row["text"] for row in rows if "sampled" in row}
    assert sampled["web", "jazz"] == "jazz clubs in co"
    short = {row["set"]: row for row in rows if row.get("junk_when") == "a name has one or two characters"}
    assert short["web"]["entities"] == (("web", "Colorado") in sampled)


def test_prompts_are_measured_against_histories(measured):
    users, catalog = measured
    asked = [("u1", f"9709160{number:05}", "jazz clubs in co") for number in range(1000, 1030)]
    (users / "web" / "logs.jsonl").write_text(
        "".join(json.dumps({"user": user, "ts": ts, "query": query}) + "\n" for user, ts, query in asked)
    )
    (users / "said" / "users_ptkb.jsonl").write_text(
        "".join(json.dumps({"user": f"p{number}", "ptkb": {"1": "I like jazz."}}) + "\n" for number in range(150))
    )
    report = json.loads(run("eval", "store", "--users", users, "--catalog", catalog, "--json").output)
    rows = {(row["set"], row["events_of_a_user"]): row for row in report["rows"] if "events_of_a_user" in row}
    assert set(rows) == {("web", "25-49"), ("said", "1-9"), ("said_joined_100", "100-199")}
    web, said, together = rows["web", "25-49"], rows["said", "1-9"], rows["said_joined_100", "100-199"]
    assert (web["users"], web["at_most_a_quarter"]) == (1, 1.0)
    assert web["history_tokens"] == 30 * 4  # each word is one piece
    assert (said["users"], said["history_tokens"], said["at_most_a_quarter"]) == (150, 4, 0.0)
    assert said["ratio"] == (said["summary_tokens"] + said["other_top_10_tokens"]) / 4
    assert (together["users"], together["history_tokens"]) == (1, 400)
    assert report["summary"]["prompt_at_most_a_quarter_said"] == 0.0


def test_a_sample_is_the_same_for_a_seed(measured):
    users, catalog = measured
    told = ["eval", "store", "--users", users, "--catalog", catalog, "--sample", 1, "--json", "--seed"]
    first, again = (json.loads(run(*told, 5).output)["rows"] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"user": "u", "ts": "soon", "query": "q"}', "field ts"),
        ('{"ts": "970916000002", "query": "q"}', "field user: is missing"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_wrong_line_of_a_log_is_named(measured, line, words):
    users, catalog = measured
    (users / "web" / "logs.jsonl").write_text(line + "\n")
    told = sentence(run("eval", "store", "--users", users, "--catalog", catalog))
    assert "line 1" in told
    assert words in told


def test_statements_that_are_none_and_a_directory_without_sets_are_named(measured, tmp_path):
    users, catalog = measured
    (users / "said" / "users_ptkb.jsonl").write_text('{"user": "p", "ptkb": ["x"]}\n')
    assert "field ptkb: is no object" in sentence(run("eval", "store", "--users", users, "--catalog", catalog))
    assert "no <set>/logs.jsonl" in sentence(run("eval", "store", "--users", tmp_path / "none", "--catalog", catalog))


def test_companions_are_counted_for_the_services(directory):
    store = SqliteStore(directory / "knowledge.sqlite")
    users = [UserKey("acme", f"u{number}") for number in range(5)]
    store.apply([projected("1", "q1", "q2", user=user) for user in users])
    counted = json.loads(run("store", "companions", "--json").output)
    assert (counted["tenants"], counted["entities"], counted["at_least"]) == (1, 2, 5)
    assert [each.entity_id for each in store.companions("acme", ["q1"])["q1"]] == ["q2"]
    assert "0 entities of 1 tenants have companions" in run("store", "companions", "--at-least", 6).output
    assert store.companions("acme", ["q1"]) == {}
    store.close()


def test_companions_of_one_user_are_refused_and_those_of_no_store_too(directory):
    ended = run("store", "companions", "--at-least", 1)
    assert ended.exit_code == 2
    assert "there is no" in sentence(run("store", "companions"))


def test_tables_are_made_before_a_role_starts_and_found_again(directory):
    assert json.loads(run("store", "migrate", "--json").output) == {"engine": "sqlite", "migrated": True}
    assert (directory / "knowledge.sqlite").is_file()
    assert "has the tables of this version" in run("store", "migrate").output


def test_they_are_made_in_postgresql_too(monkeypatch, postgres_url):
    url = new_database(postgres_url)
    monkeypatch.setenv("ATTUNE_STORE_URL", url)
    assert json.loads(run("store", "migrate", "--json").output)["engine"] == "postgresql"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM attune.version").fetchone() == (1,)
