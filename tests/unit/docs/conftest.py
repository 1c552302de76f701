"""The documentation as tests read it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced code blocks of a page in one of the languages."""
    return [code for language, code in _BLOCK.findall(page) if language in languages]


def without_blocks(page: str) -> str:
    """The page's prose and tables."""
    return _BLOCK.sub("", page)


def rows(page: str, header: str) -> Iterator[list[str]]:
    """The cells of the table under a header line, row by row."""
    lines = page.split(f"{header}\n", 1)[1].splitlines()[1:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture(scope="session")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")
