"""Options that say what a user is in the middle of."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.knowledge.v1.context_pb2 import Context, Turn


class Writing(StrEnum):
    """Who is to write suggestions, as the client names it."""

    RANKER = "ranker"
    LLM = "llm"


Session = Annotated[str, typer.Option("--session", help="The id of the visit.")]
Previous = Annotated[
    list[str] | None,
    typer.Option("--previous", "-p", help="What the user asked before in this session; may be repeated, oldest first."),
]
PageTitle = Annotated[str, typer.Option(help="The title of the page that the user is reading.")]
PageText = Annotated[str, typer.Option(help="Its text.")]
PageFile = Annotated[
    Path | None, typer.Option(help="A file with its text in UTF-8; - is standard input.", allow_dash=True)
]
Writer = Annotated[
    Writing | None,
    typer.Option("--path", help="Who is to write them. Without it: the language model, if there is one."),
]


def context_of(session: str, previous: Sequence[str], title: str = "", text: str = "") -> Context:
    """The session; the page that is being read belongs to what was asked last."""
    turns = [Turn(query=each) for each in previous]
    if title or text:
        turns = turns or [Turn()]
        turns[-1].MergeFrom(Turn(title=title, text=text))
    return Context(session_id=session, turns=turns)


def page_text(text: str, file: Path | None) -> str:
    """The text itself, or that of the file. Raises SettingError where both are given, or the file cannot be read."""
    if file is None:
        return text
    if text:
        raise SettingError("--page-text and --page-file both give the page's text: give one of them")
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingError(f"--page-file: {file} cannot be read ({error.strerror}); name a text file") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"--page-file: {file} is not UTF-8; save it as UTF-8") from error
