"""A report as a page of Markdown."""

from itertools import groupby

from attune.services.cli.measure.report import Report, Row


def page_of(title: str, made: Report) -> str:
    """The rows, in a table for each run of rows with the same columns, and the summary; with what it ran on."""
    parts = [f"# {title}", f"- command: `{made['command']}`\n- commit: {made['commit']}, date: {made['date']}"]
    parts[-1] += f"\n- machine: {made['machine']}"
    summary: list[Row] = [{"figure": name, "value": value} for name, value in made["summary"].items()]
    runs = [(columns, list(rows)) for columns, rows in groupby(made["rows"], key=tuple)]  # a run ends with the next one
    for columns, rows in [*runs, (("figure", "value"), summary)]:
        parts.append(_table(columns, rows))
    return "\n\n".join(parts) + "\n"


def _table(columns: tuple[str, ...], rows: list[Row]) -> str:
    lines = [[column.replace("_", " ") for column in columns], ["---"] * len(columns)]
    lines += [[_shown(row[column]) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: str | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
