"""`attune events dlq`: what is no event, and why; and back among the events with it, once the cause is mended."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from heapq import heappush, heappushpop
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.dead_letters import DeadLetter, dead_letters, parse_position, written
from attune.services.runtime.documents import DOCUMENT_DEAD_LETTER_TOPIC, DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.port import EventLog, Position
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.replaying import Replayed, Replayer
from attune.services.runtime.stores import open_event_log

dlq = typer.Typer(help="Dead letters: records that are no events, or no documents.", no_args_is_help=True)
_NONE = "there are no dead letters: each record was fine, or has been replayed since"
_WITHOUT_CODE = "unknown"


class Letters(StrEnum):
    """The topics that have dead letters, each with those in a topic beside it."""

    EVENTS = TOPIC
    DOCUMENTS = DOCUMENTS_TOPIC

    @property
    def beside(self) -> str:
        """The topic of the dead letters."""
        return {Letters.EVENTS: DEAD_LETTER_TOPIC, Letters.DOCUMENTS: DOCUMENT_DEAD_LETTER_TOPIC}[self]


@dlq.command("list")
def list_letters(
    newest: Annotated[int, typer.Option(min=0, max=10_000, help="Show so many, the newest first.")] = 10,
    topic: Annotated[Letters, typer.Option(help="Which topic's.")] = Letters.EVENTS,
    as_json: Json = False,
) -> None:
    """Count the dead letters by reason, and show the newest.

    Example: attune events dlq list
    """
    with told_plainly(), _event_log() as event_log:
        reasons, shown = _overview(event_log, topic.beside, newest)
    rows = [_row(each) for each in shown]
    if as_json:
        print_json({"dead_letters": reasons.total(), "reasons": dict(reasons.most_common()), "newest": rows})
        return
    if not reasons:
        console.print(_NONE)
        return
    counts = ", ".join(f"{count} {code}" for code, count in reasons.most_common())
    console.print(f"{reasons.total()} dead letters: {counts}")
    widest = max((len(row["position"]) for row in rows), default=0)  # whole at any width: `show` is given it
    table = Table(Column("position", min_width=widest), "set aside", "why", "sentence", "bytes")
    for row in rows:
        table.add_row(*(escape(str(row[name])) for name in ("position", "set_aside_at", "code", "reason", "bytes")))
    console.print(table)


@dlq.command()
def show(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `attune events dlq list` shows it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the value's bytes to standard output, nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter without its value, which may be personal; --raw writes the value.

    Example: attune events dlq show attune.interactions.v1/0/17
    """
    with told_plainly(), _event_log() as event_log:
        wanted = _position(position)
        beside = Letters(wanted.topic).beside if wanted.topic in list(Letters) else DEAD_LETTER_TOPIC
        letter = next((each for each in dead_letters(event_log, beside) if each.position == wanted), None)
    if letter is None:
        raise typer.BadParameter(f"no dead letter lies at {position}: `attune events dlq list` shows the positions")
    if raw:
        sys.stdout.buffer.write(letter.record.value)
        return
    fields = _row(letter) | {
        "key": _text(letter.record.key),
        "is_cut": letter.is_cut,
        "headers": [[name, _text(content)] for name, content in letter.record.headers],
    }
    if as_json:
        print_json(fields)
        return
    for name, content in fields.items():
        if name != "headers":
            console.print(escape(f"{name}: {content}"), highlight=False)
    for name, content in fields["headers"]:
        console.print(escape(f"  {name}: {content}"), highlight=False)


@dlq.command()
def replay(
    positions: Annotated[list[str] | None, typer.Argument(help="Only those of these positions.")] = None,
    reason: Annotated[str, typer.Option(help="Only those of this reason, such as unknown_tenant.")] = "",
    as_json: Json = False,
) -> None:
    """Judge dead letters again, and append those that are valid now to the interactions topic; by default all.

    Documents are not replayed: a newer version may have come since. Send them again instead.

    What is still wrong stays, as does what is from before its user was forgotten. What was replayed is marked and not
    replayed again; an event that comes twice all the same, because this was killed in between, counts once by its id.

    Example: attune events dlq replay --reason unknown_tenant
    """
    with told_plainly(), _event_log() as event_log:
        wanted = {_position(each) for each in positions or ()}
        replayer = Replayer(event_log, Admission.of(Config()), system_clock)
        done = replayer.replay(
            lambda letter: (not wanted or letter.position in wanted) and (not reason or letter.code == reason)
        )
    if as_json:
        print_json({"replayed": done.replayed, "forgotten": done.forgotten, "still_wrong": dict(done.still_wrong)})
        return
    console.print(_sentence(done))


def _sentence(done: Replayed) -> str:
    if not done.replayed and not done.forgotten and not done.still_wrong:
        return "there are no such dead letters"
    still = ", ".join(f"{count} {code}" for code, count in done.still_wrong.most_common())
    stays = f"; still wrong: {still}" if still else ""
    forgotten = f"; {done.forgotten} left out: their users were forgotten" if done.forgotten else ""
    return f"{done.replayed} replayed{stays}{forgotten}"


@contextmanager
def _event_log() -> Iterator[EventLog]:
    with closing(open_event_log(Config())) as event_log:
        yield event_log


def _overview(event_log: EventLog, topic: str, newest: int) -> tuple[Counter[str], list[DeadLetter]]:
    """How many there are by reason, and the newest ones; in memory are only these."""
    reasons: Counter[str] = Counter()
    kept: list[tuple[int, int, DeadLetter]] = []
    for number, letter in enumerate(dead_letters(event_log, topic)):
        reasons[letter.code or _WITHOUT_CODE] += 1
        ranked = (letter.set_aside_ms, number, letter)
        if len(kept) < newest:
            heappush(kept, ranked)
        elif newest:
            heappushpop(kept, ranked)
    return reasons, [letter for _, _, letter in sorted(kept, reverse=True)]


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "position": written(letter.position),
        "code": letter.code or _WITHOUT_CODE,
        "reason": letter.sentence,
        "set_aside_at": datetime.fromtimestamp(letter.set_aside_ms / 1000, UTC).isoformat(timespec="seconds"),
        "bytes": letter.whole_bytes,
    }


def _position(text: str) -> Position:
    try:
        return parse_position(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is no position: write TOPIC/PARTITION/OFFSET") from error


def _text(content: bytes) -> str:
    return content.decode(errors="backslashreplace")
