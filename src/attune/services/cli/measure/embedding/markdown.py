"""The report as a page of tables."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from attune.services.cli.measure.report import Report, Row

_TITLES = {
    "closed_loop": "Closed loop: each caller sends when it was answered, one text to a request",
    "open_loop": "Open loop: random arrivals at a share of each server's own peak; latency from the intended arrival",
    "batch32": "32 texts to a request, against the engine without the service",
    "in_process": "In process, beside the machine's matrix-product ceiling at that moment",
    "mixed_domains": "Eight domains mixed in a batch, against the same texts through one expert",
    "quality": "Cosine to sentence-transformers in fp32",
    "overload": "Four times the peak",
}


def render(report: Report) -> str:
    """A Markdown page: what it ran on, the summary, and a table for each section."""
    head = [
        "# Embedding speed",
        "",
        "Medians over the rounds of one run; ratios are taken within a round, ours divided by theirs.",
        "How it is measured: [benchmarking](../benchmarking.md).",
        "",
        f"- command: `{report['command']}`",
        f"- commit: {report['commit']}, date: {report['date']}",
        f"- machine: {report['machine']}",
        "",
        "## Summary",
        "",
        *_table([{"figure": f"`{name}`", "value": value} for name, value in report["summary"].items()]),
    ]
    sections = groupby(report["rows"], key=lambda row: str(row["section"]))
    return "\n".join([*head, *(line for name, rows in sections for line in _section(name, list(rows)))]) + "\n"


def _section(name: str, rows: Sequence[Row]) -> list[str]:
    shown = [{key: value for key, value in row.items() if key != "section"} for row in rows]
    return ["", f"## {_TITLES.get(name, name)}", "", *_table(shown)]


def _table(rows: Sequence[Row]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    heads = [column.replace("_", " ") for column in columns]
    return [_line(heads), _line(["---"] * len(heads)), *(_line(_cells(row, columns)) for row in rows)]


def _cells(row: Mapping[str, str | int | float], columns: Sequence[str]) -> list[str]:
    return [_cell(row.get(column, "")) for column in columns]


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
