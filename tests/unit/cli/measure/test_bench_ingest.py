"""`attune bench ingest` on the local log: all events arrive, and of fuzzed records none is lost."""

import json
from pathlib import Path

import pytest
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import projected
from typer.testing import CliRunner

from attune.knowledge_store.store_postgres import PostgresStore
from attune.services.cli.main import app

CATALOG = Path(__file__).parents[4] / "examples" / "catalog.jsonl"


def bench(*options: str) -> dict:
    result = CliRunner().invoke(app, ["bench", "ingest", "--catalog", str(CATALOG), "--json", *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def local_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTUNE_KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_what_is_read_and_when_it_is_visible():
    made = bench("--events", "1000", "--users", "50", "--rate", "200", "--seconds", "1", "--fuzz", "300")
    there, steady, fuzzed = made["rows"]
    assert there["engines"] == "the local log to SQLite"
    assert (there["events"], steady["events"]) == (1000, 200)
    assert 0 < steady["visible_p50_s"] <= steady["visible_p95_s"]
    assert fuzzed["must_be_events"] <= fuzzed["taken"] <= 300 - fuzzed["must_be_dead_letters"]
    assert made["summary"]["fuzz_lost"] == 0
    assert made["summary"]["events_per_s_per_core"] == there["events_per_s_per_core"] > 0


def test_a_store_that_has_users_is_refused(postgres_url):
    url = new_database(postgres_url)
    store = PostgresStore(url)
    store.apply([projected("1", "a")])
    store.close()
    options = ["bench", "ingest", "--catalog", str(CATALOG), "--events", "1000", "--url", url]
    result = CliRunner().invoke(app, options)
    assert result.exit_code != 0
    assert "the store has users" in result.output
