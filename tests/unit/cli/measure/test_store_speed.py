"""`attune bench store` on a store that is small, in both engines."""

import json

import pytest
from tests.fakes.postgres import new_database
from typer.testing import CliRunner

from attune.services.cli.main import app
from attune.services.cli.measure.store_speed import command

CATALOG = "".join(json.dumps({"id": f"Q{number}", "label": f"name {number}"}) + "\n" for number in range(30))
SMALL = ("--light", 3, "--full", 9, "--full-every", 7, "--lookups", 10, "--users", 20, "--users", 1000)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_store_is_filled_read_and_summed_up(request, tmp_path, monkeypatch, engine):
    monkeypatch.setattr(command, "_WRITTEN_BATCHES", 1)
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text(CATALOG)
    place = [] if engine == "sqlite" else ["--url", new_database(request.getfixturevalue("postgres_url"))]
    arguments = [str(each) for each in ("bench", "store", "--catalog", catalog, *SMALL, *place, "--json")]
    monkeypatch.setattr("sys.argv", ["attune", *arguments])

    ended = CliRunner().invoke(app, arguments)

    assert ended.exit_code == 0, ended.output
    report = json.loads(ended.stdout)
    told = ["--url", "postgresql://..."] if place else []
    assert report["command"].split()[-1 - len(told) :] == [*told, "--json"]
    timed = {(row["users"], row["kind"]): row for row in report["rows"] if "kind" in row}
    assert timed.keys() == {(users, kind) for users in (20, 1000) for kind in ("light", "full")}
    assert all(0 < row["read_p50_ms"] <= row["read_p99_ms"] <= row["read_max_ms"] for row in timed.values())
    assert all(row["engine"] == engine for row in report["rows"])
    summary = report["summary"]
    slowest = max(timed[1000, kind]["retrieve_p99_ms"] for kind in ("light", "full"))
    assert summary["retrieve_p99_ms_1k_users"] == summary[f"{engine}_retrieve_p99_ms"] == slowest
    assert summary["bytes_per_light_user"] == timed[1000, "light"]["bytes"] > 0
    assert summary[f"{engine}_users"] == 1000


@pytest.mark.parametrize(("users", "name"), [(1_000_000, "1m"), (10_000, "10k"), (1_500, "1500")])
def test_a_number_of_users_in_the_name_of_a_figure(users, name):
    assert command._shortly(users) == name
