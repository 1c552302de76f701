"""`attune eval merge` on reports that are written here."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attune.services.cli.main import app


def written(file: Path, **summary: float) -> Path:
    report = {"command": f"attune eval {file.stem}", "rows": [{"figures": len(summary)}], "summary": summary}
    file.write_text(json.dumps(report))
    return file


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", "merge", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_reports_stay_whole_and_their_figures_come_together(tmp_path: Path) -> None:
    pairs = written(tmp_path / "pairs.json", mixture_minus_dense=0.01)
    routing = written(tmp_path / "routing.json", routing_queries=0.9)
    out = tmp_path / "new" / "experts.json"

    code, shown, _ = run(pairs, routing, "--out", out, "--json")

    assert code == 0
    merged = json.loads(out.read_bytes())
    assert merged["summary"] == {"mixture_minus_dense": 0.01, "routing_queries": 0.9} == json.loads(shown)
    assert merged["reports"] == [json.loads(pairs.read_bytes()), json.loads(routing.read_bytes())]


def test_the_first_report_that_has_a_figure_gives_it(tmp_path: Path) -> None:
    alone = written(tmp_path / "alone.json", macro=0.5)
    together = written(tmp_path / "together.json", macro=0.4, routed_minus_given=-0.01)

    code, _, _ = run(alone, together, "--out", tmp_path / "out.json")

    assert code == 0
    summary = json.loads((tmp_path / "out.json").read_bytes())["summary"]
    assert summary == {"macro": 0.5, "routed_minus_given": -0.01}


def test_the_largest_of_a_figure_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    sqlite = written(tmp_path / "sqlite.json", p99_ms=3.0, users=5.0)
    postgres = written(tmp_path / "postgres.json", p99_ms=4.0, users=6.0)
    quality = written(tmp_path / "quality.json", junk_rate=0.1)

    code, shown, _ = run(sqlite, postgres, quality, "--largest", "p99_ms", "--out", tmp_path / "out.json", "--json")

    assert code == 0
    assert json.loads(shown) == {"p99_ms": 4.0, "users": 5.0, "junk_rate": 0.1}


def test_a_largest_figure_that_no_report_has_is_named(tmp_path: Path) -> None:
    report = written(tmp_path / "sqlite.json", p99_ms=3.0, users=5.0)

    code, _, said = run(report, "--largest", "p98_ms", "--out", tmp_path / "out.json")

    assert code == 1
    assert "--largest p98_ms: no report has it: give one of p99_ms, users" in " ".join(said.split())
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '{"rows": [], "summary": 3}',
        '{"rows": [], "summary": []}',
        '{"rows": [], "summary": {"a": "b"}}',
        "\xff",
    ],
)
def test_a_file_that_is_no_report_is_named_and_nothing_is_written(tmp_path: Path, content: str) -> None:
    file = tmp_path / "some.json"
    file.write_bytes(content.encode("latin-1"))

    code, _, said = run(file, "--out", tmp_path / "out.json")

    assert code == 1
    assert f"{file} is no report" in said
    assert not (tmp_path / "out.json").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    code, _, said = run(tmp_path / "none.json", "--out", tmp_path / "out.json")

    assert code == 1
    assert "none.json cannot be read (No such file or directory)" in said


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    code, _, said = run(written(tmp_path / "pairs.json", a=1.0), "--out", tmp_path)

    assert code == 1
    assert f"--out {tmp_path} cannot be written (Is a directory)" in said


def test_the_smallest_of_a_figure_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    some = written(tmp_path / "some.json", recall=0.99, documents=1.0)
    many = written(tmp_path / "many.json", recall=0.98, documents=2.0)

    code, shown, _ = run(
        some, many, "--smallest", "recall", "--largest", "documents", "--out", tmp_path / "out.json", "--json"
    )

    assert code == 0
    assert json.loads(shown) == {"recall": 0.98, "documents": 2.0}
    code, _, told = run(some, "--smallest", "nothing", "--out", tmp_path / "out.json")
    assert code == 1
    assert "--smallest nothing: no report has it" in " ".join(told.split())
