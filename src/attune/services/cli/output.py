"""What commands print: JSON for programs, tables for people, progress on standard error."""

import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_INTEGERS_OF_64_BITS = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
_EXACT = 2**53  # up to here a double holds every integer

console = Console()
progress_console = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, at once: `attune up` goes on for long, and who reads it waits for this."""
    text = json.dumps(value, ensure_ascii=False)
    if console.is_terminal:
        console.print_json(text, highlight=False)
    else:
        print(text, flush=True)  # noqa: T201


def as_dict(message: Message) -> dict[str, Any]:
    """A message with the field names of its .proto file, and its counts as numbers.

    protobuf's JSON has strings for 64-bit integers, since many readers have doubles only. Those that a double holds
    exactly are numbers here; the others stay strings.
    """
    return _with_numbers(MessageToDict(message, preserving_proto_field_name=True), message.DESCRIPTOR)


def _with_numbers(fields: dict[str, Any], kind: Any) -> dict[str, Any]:
    return {name: _field(value, kind.fields_by_name[name]) for name, value in fields.items()}


def _field(value: Any, field: Any) -> Any:
    if field.message_type and field.message_type.GetOptions().map_entry:
        held = field.message_type.fields_by_name["value"]
        return {key: _single(each, held) for key, each in value.items()}
    return [_single(each, field) for each in value] if isinstance(value, list) else _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.cpp_type in _INTEGERS_OF_64_BITS:
        return int(value) if abs(int(value)) <= _EXACT else value
    nested = field.message_type
    if nested is None or nested.full_name.startswith("google.protobuf."):  # those have a JSON of their own
        return value
    return _with_numbers(value, nested)


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
