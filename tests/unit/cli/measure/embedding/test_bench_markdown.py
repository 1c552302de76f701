"""The report as a page."""

from attune.services.cli.measure.embedding.markdown import render
from attune.services.cli.measure.report import Report

REPORT: Report = {
    "command": "attune bench embedding",
    "commit": "abc",
    "machine": "2 x CPU",
    "date": "2026-11-03",
    "rows": [
        {"section": "closed_loop", "subject": "attune", "load": "q8", "concurrency": 1, "texts_per_s": 1234.5},
        {"section": "closed_loop", "subject": "peer", "load": "q8", "concurrency": 1, "texts_per_s": 99.0},
        {"section": "mine", "subject": "attune", "load": "q8", "ratio": 0.97},
        {"section": "mine", "subject": "attune", "load": "zipf", "share": 1},
    ],
    "summary": {"ratio_q8_c1_peer": 12.5},
}


def test_each_section_is_a_table_under_its_title() -> None:
    page = render(REPORT)
    assert "## Closed loop: each caller sends when it was answered" in page
    assert "| subject | load | concurrency | texts per s |\n| --- | --- | --- | --- |\n" in page
    assert "| attune | q8 | 1 | 1,234.5 |\n| peer | q8 | 1 | 99.0 |\n" in page


def test_a_section_without_a_title_and_rows_without_a_column_are_shown_all_the_same() -> None:
    assert "## mine\n\n| subject | load | ratio | share |" in render(REPORT)
    assert "| attune | q8 | 0.97 |  |\n| attune | zipf |  | 1 |\n" in render(REPORT)


def test_the_head_says_how_it_was_made() -> None:
    page = render(REPORT)
    assert "- command: `attune bench embedding`\n- commit: abc, date: 2026-11-03\n- machine: 2 x CPU\n" in page
    assert "| `ratio_q8_c1_peer` | 12.5 |" in page
    assert page.endswith("|\n")
