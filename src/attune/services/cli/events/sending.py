"""`attune events send`: interaction events from a file into the log."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from attune.services.cli.events.lines import Source, opened
from attune.services.cli.events.reading import EventLine, EventReader, LineFormat
from attune.services.cli.events.sinks import LogSink, Sent, ServiceSink, Sink
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import console, print_json, progress_console
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.stores import open_event_log

_BATCH = 1000
_BATCH_BYTES = 8 << 20


class Target(StrEnum):
    """Where events can be sent."""

    SERVICE = "service"
    KAFKA = "kafka"


def send(
    file: Annotated[str, typer.Argument(help="A JSONL file of events, perhaps .gz, or - for standard input.")],
    *,
    to: Annotated[
        Target | None,
        typer.Option(help="The knowledge service, or straight to the event log. Default: ATTUNE_EVENTS_TO."),
    ] = None,
    line_format: Annotated[
        LineFormat, typer.Option("--format", help="What the lines are; auto: each line's fields tell.")
    ] = LineFormat.AUTO,
    tenant: Annotated[
        str, typer.Option(help="Whose the events are that name no tenant; for --to kafka, where no token tells it.")
    ] = DEFAULT_TENANT,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Leave out lines that are no event.")] = False,
    from_line: Annotated[int, typer.Option(min=1, help="Go on at this line.")] = 1,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Append events to the log, any number of them. An event that is already there counts once, so a stopped run can be
    repeated.

    A line is an InteractionEvent in JSON, its type by its short name, or an OpenSearch UBI event. One without a time
    happened now.
    {"event_id": "e1", "user_id": "ada", "type": "click", "object_id": "doc1", "occurred_at": "2026-01-31T12:00:00Z"}

    Example: attune events send clicks.jsonl
    """
    sent = Sent()
    with told_plainly(), opened(file) as source:
        config = Config()
        reader = EventReader(source, system_clock(), line_format, from_line=from_line, skip_invalid=skip_invalid)
        with _sink(config, to or Target(config.events_to), tenant, token) as sink:
            _send_all(reader, sink, sent, source, quiet=as_json)
    _tell(sent, reader, as_json=as_json)


@contextmanager
def _sink(config: Config, to: Target, tenant: str, token: str) -> Iterator[Sink]:
    if to is Target.SERVICE:
        with connect(token) as client:
            yield ServiceSink(client.record)
        return
    with closing(open_event_log(config)) as event_log:
        yield LogSink(event_log, Admission.of(config), tenant, system_clock)


def _send_all(reader: EventReader, sink: Sink, sent: Sent, source: Source, *, quiet: bool) -> None:
    """Send everything; where that ends early, say up to where it came."""
    with _progress(quiet=quiet) as bar:
        task = bar.add_task("sending", total=source.size, events=0)
        try:
            for batch in _batches(reader):
                sink.send(batch, sent)
                sent.last_line = batch[-1].number
                bar.update(task, completed=source.position() or 0, events=sent.accepted)
        except BaseException:
            if sent.last_line:
                typer.secho(
                    f"attune: all up to line {sent.last_line} is sent: go on with --from-line {sent.last_line + 1}, or "
                    "repeat the whole command, for what is sent counts once",
                    err=True,
                )
            raise


def _batches(lines: Iterable[EventLine]) -> Iterator[list[EventLine]]:
    """Batches bounded in number and in bytes."""
    rest = iter(lines)
    while first := next(rest, None):
        batch, size = [first], first.event.ByteSize()
        for line in islice(rest, _BATCH - 1):
            batch.append(line)
            size += line.event.ByteSize()
            if size >= _BATCH_BYTES:
                break
        yield batch


def _progress(*, quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[events]} events"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=progress_console,
        transient=True,
        disable=quiet,
    )


def _tell(sent: Sent, reader: EventReader, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "accepted": sent.accepted,
                "rejected": sent.rejected,
                "rejected_count": sent.rejected_count,
                "skipped": reader.skipped,
                "log_end_offset": max(sent.log_end_offsets.values(), default=0),
                "log_end_offsets": sent.log_end_offsets,
            }
        )
        return
    skipped = f", skipped {reader.skipped}" if reader.skipped else ""
    console.print(f"accepted {sent.accepted}, refused {sent.rejected_count}{skipped}")
    for each in sent.rejected:
        field = f"{each['field']}: " if each["field"] else ""
        sentence = f"  line {each['line']} ({each['event_id']}): {field}{each['reason']}"
        console.print(escape(sentence), style="yellow")
    if reader.skipped:
        console.print(escape(f"  the first that was skipped: {reader.first_skipped}"), style="yellow")
