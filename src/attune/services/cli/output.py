"""What commands print: JSON for programs, tables for people, progress on standard error."""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console()
progress_console = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    console.print_json(json.dumps(value, ensure_ascii=False), highlight=False) if console.is_terminal else print(  # noqa: T201
        json.dumps(value, ensure_ascii=False)
    )


def as_dict(message: Message) -> dict[str, Any]:
    """A message with the field names of its .proto file."""
    result: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return result


def progress() -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=progress_console,
        transient=True,
    )
