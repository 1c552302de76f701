"""Reports: one JSON object that says what was measured, on what, and when."""

import json
from datetime import UTC, datetime

import pytest

from attune.services.cli.measure.report import report

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def test_the_json_says_what_it_ran_on(capsys: pytest.CaptureFixture[str]) -> None:
    report([{"load": "q8", "p50_ms": 1.5}], {"best": 2.0}, NOW, as_json=True)
    made = json.loads(capsys.readouterr().out)
    assert set(made) == {"command", "commit", "machine", "date", "rows", "summary"}
    assert made["rows"] == [{"load": "q8", "p50_ms": 1.5}]
    assert made["date"] == "2026-11-03T00:00:00+00:00"
    assert "Python" in made["machine"]


def test_the_table_has_a_column_for_each_key(capsys: pytest.CaptureFixture[str]) -> None:
    report([{"load": "q8", "p50_ms": 1.5}], {}, NOW, as_json=False)
    printed = capsys.readouterr().out
    assert "load" in printed
    assert "1.500" in printed
