"""What docs/scale.md calls measured is what the reports say."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.docs.conftest import ROOT, rows

PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
FIGURES = list(rows(PAGE, "| figure | value | report | where in it |"))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a report, the outermost first."""
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from objects(part)


def reported(report: str, where: str) -> float:
    """The first figure of that name, of an object that meets the conditions. After "1 -", what is left of one."""
    name, *conditions = re.findall(r"`([^`]*)`", where)
    wanted = dict(pair.split("=") for pair in re.split(r", (?=\w+=)", conditions[0])) if conditions else {}
    found = json.loads((ROOT / "docs/results" / report).read_text(encoding="utf-8"))
    value = next(
        each[name]
        for each in objects(found)
        if name in each and all(str(each.get(key)) == text for key, text in wanted.items())
    )
    return 1 - value if where.startswith("1 ") else float(value)


def rounding(shown: str) -> float:
    """Half a unit of the last digit that is shown."""
    decimals = len(shown.partition(".")[2])
    return float(0.5 * 10.0**-decimals)


@pytest.mark.parametrize(("figure", "shown", "report", "where"), FIGURES, ids=[row[0] for row in FIGURES])
def test_a_measured_figure_is_in_its_report(figure: str, shown: str, report: str, where: str) -> None:
    assert float(shown.replace(",", "")) == pytest.approx(reported(report, where), abs=rounding(shown) * 1.001)


def test_there_are_figures_of_every_part() -> None:
    assert {row[2] for row in FIGURES} == {
        "store.json",
        "ingest.json",
        "embedding.json",
        "embedding_epyc.json",
        "search.json",
    }
