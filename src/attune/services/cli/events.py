"""`attune events send`: interaction events from a file into the log."""

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.failures import told_plainly
from attune.services.cli.lines_of_events import event_of_line
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.cli.replay.command import replay
from attune.services.runtime.clock import system_clock

events = typer.Typer(help="Interaction events.", no_args_is_help=True)


events.command()(replay)


@events.command()
def send(
    file: Annotated[str, typer.Argument(help="A JSONL file of events, or - for standard input.")],
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Append events to the log. An event that is already there counts once, so a stopped run can be repeated.

    A line without occurred_at happened now.

    A line is an InteractionEvent in JSON, its type by its short name:
    {"event_id": "e1", "user_id": "ada", "type": "click", "object_id": "doc1", "occurred_at": "2026-01-31T12:00:00Z"}

    Example: attune events send clicks.jsonl
    """
    with told_plainly(), connect(token) as client:
        answer = client.record(read_events(file, system_clock()))
    if as_json:
        print_json(as_dict(answer))
        return
    console.print(f"accepted {answer.accepted}, refused {answer.rejected_count}")
    for each in answer.rejected:
        console.print(f"  event {each.index} ({each.event_id}): {each.field}: {each.reason}", style="yellow")


def read_events(file: str, now: datetime) -> list[InteractionEvent]:
    """All events of a JSONL file, or of standard input for "-". Those without a time happened `now`.

    It is read to its end before the first is sent, so a broken line sends nothing.

    Raises:
        CorpusError: naming file, line and mend.
    """
    if file == "-":
        return list(_events(sys.stdin, "standard input", now))
    try:
        with Path(file).open(encoding="utf-8") as stream:
            return list(_events(stream, file, now))
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{file} cannot be read ({error}): name a JSONL file in UTF-8") from error


def _events(lines: TextIO, name: str, now: datetime) -> Iterator[InteractionEvent]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            event = event_of_line(line, f"{name}, line {number}")
            if not event.HasField("occurred_at"):
                event.occurred_at.FromDatetime(now)
            yield event
