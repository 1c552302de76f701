"""Reports: one JSON object that says what was measured, on what, and when."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.services.cli.measure.report import cpu_features, make_report, report, show, write

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


def test_remarks_say_more_of_the_machine() -> None:
    made = make_report([], {}, NOW, remarks=["bf16: native"])
    assert made["machine"].endswith("; bf16: native")


def test_a_table_has_rows_of_one_kind_and_the_summary_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"load": "q8", "p50_ms": 1.5}, {"load": "zipf", "p50_ms": 2.5}, {"cosine": 0.5}]
    show(make_report(rows, {"best_ratio": 2.25}, NOW), as_json=False)
    printed = capsys.readouterr().out
    assert printed.count("p50_ms") == 1
    assert all(shown in printed for shown in ("1.500", "2.500", "0.500", "best_ratio", "2.250"))


def test_one_row_is_shown_downwards(capsys: pytest.CaptureFixture[str]) -> None:
    show(make_report([{f"column_{number}": number for number in range(30)}], {}, NOW), as_json=False)
    printed = capsys.readouterr().out
    assert all(f"column_{number} " in printed for number in range(30))  # side by side they would be cut


@pytest.mark.parametrize("name", ["speed.json", "speed.md"])
def test_it_is_written_as_json_with_the_page_beside_it(tmp_path: Path, name: str) -> None:
    made = make_report([{"load": "ünï"}], {"best": 2.0}, NOW)
    write(made, tmp_path / "new" / name, "# page\n")
    assert json.loads((tmp_path / "new" / "speed.json").read_text(encoding="utf-8")) == made
    assert (tmp_path / "new" / "speed.md").read_text() == "# page\n"


def test_features_are_those_that_matter() -> None:
    assert set(cpu_features()) <= {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8"}
