"""Rows of tables: CSV, TSV and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.report import ImportReport

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_rows(path: Path, report: ImportReport, read: Callable[[int], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by column with the number of their line. A .csv or .tsv file has the columns in its first line; others are
    JSON lines. Either may be packed (.gz, .bz2).

    Raises CatalogError where the file cannot be read.
    """
    lines = numbered_lines(path, report, read)
    delimiter = _DELIMITERS.get(Path(path.name.removesuffix(".gz").removesuffix(".bz2")).suffix)
    return _csv_rows(lines, delimiter, report) if delimiter else _json_rows(lines, report)


def _json_rows(lines: Iterable[tuple[int, bytes]], report: ImportReport) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            report.bad(number, f"not JSON ({error})")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            report.bad(number, f"a {type(row).__name__} instead of an object")


def _csv_rows(
    lines: Iterable[tuple[int, bytes]], delimiter: str, report: ImportReport
) -> Iterator[tuple[int, dict[str, Any]]]:
    columns: list[str] = []
    for number, cells in _cells(lines, delimiter, report):
        if not columns:
            columns = [cell.strip() for cell in cells]
        elif len(cells) == len(columns):
            yield number, dict(zip(columns, cells, strict=True))
        else:
            report.bad(number, f"{len(cells)} cells, the first line has {len(columns)}")


def _cells(lines: Iterable[tuple[int, bytes]], delimiter: str, report: ImportReport) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row. A quoted cell may go over several lines; the number is that of the last."""
    at = 0

    def texts() -> Iterator[str]:
        nonlocal at
        for number, line in lines:
            at = number
            try:
                yield f"{line.decode()}\n"
            except UnicodeDecodeError as error:
                report.bad(number, f"byte {error.start} is not UTF-8")

    reader = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            report.bad(at, f"not CSV ({error})")
            continue
        if cells:
            yield at, cells
