"""Pieces of Markdown."""

from collections.abc import Iterable


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; what is in a cell cannot end it."""
    heads = list(header)
    lines = [_row(heads), "|" + "---|" * len(heads), *(_row(each) for each in rows)]
    return "\n".join(lines)


def text(comment: str) -> str:
    """A comment as it is read: no part of it is taken for HTML."""
    return comment.replace("<", r"\<")


def document(parts: Iterable[str]) -> str:
    """Paragraphs, headings and tables with an empty line between them; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
