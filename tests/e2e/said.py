"""What the tests said in words, and whether any of it is where the threat model says that it must not be.

| where | what must not be there |
|---|---|
| logs, metrics, traces | whatever was said |
| the knowledge store | the same, but for statements that a user wanted remembered |
| the index | what was asked; documents are what it is for |

The index packs what it stores (LZ4), which leaves a text readable unless its words came shortly before; its write-ahead
log does not. The event log, the log of documents, and counts of queries are for words, and are not looked at. Nor is
what says too little to be known again: a text of fewer than three words, which may be the name of an entity. Of longer
ones the beginning is looked for. Servers of stores (PostgreSQL, Kafka, Qdrant) are not looked into.
"""

import logging
import os
import re
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from attune.events.v1.events_pb2 import EVENT_TYPE_STATEMENT, InteractionEvent
from attune.knowledge_store.backup_lines import to_line
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.search.v1.search_pb2 import Document

_LEAST_WORDS, _LEAST_LENGTH, _LOOKED_FOR = 3, 16, 48
_NAMES = ("_id", "_ids", "_token")
"""Fields that end so have names, not words."""
_ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|x[0-9a-f]{2}|.)", re.IGNORECASE)
_SPACES = frozenset("nrt")
"""Letters that stand for white space behind a backslash."""


@dataclass
class Said:
    """Texts of calls, each by its beginning in small letters."""

    asked: set[str] = field(default_factory=set)
    """Queries, turns of a conversation, texts to embed: all but documents."""
    documents: set[str] = field(default_factory=set)
    """Of whole documents; a query may quote one."""
    statements: set[str] = field(default_factory=set)
    """Whole, that users wanted remembered."""

    @property
    def everything(self) -> set[str]:
        """By its beginning."""
        return self.asked | {_beginning(each) for each in self.documents}

    def hear(self, message: Message) -> None:
        """Note the texts of a request."""
        if isinstance(message, Document):
            self.documents |= {_plain(text) for text in _texts(message) if _tells(text)}
            return
        if isinstance(message, InteractionEvent) and message.type == EVENT_TYPE_STATEMENT:
            self.statements.add(_plain(message.user_query))
        for text in _own_texts(message):
            if _tells(text):
                self.asked.add(_beginning(_plain(text)))
        for inner in _inner(message):
            self.hear(inner)

    def in_plain_sight(self, content: str) -> list[str]:
        """What of it is in a log, in metrics or traces."""
        return _found(self.everything, content)

    def in_store(self, content: str) -> list[str]:
        """What of it is in the store, and is no statement."""
        remembered = "\n".join(self.statements)
        return [each for each in _found(self.everything, content) if each not in remembered]

    def in_index(self, content: str) -> list[str]:
        """What was asked and is in the index, though no document has it."""
        written = "\n".join(self.documents)
        return [each for each in _found(self.asked, content) if each not in written]


def _own_texts(message: Message) -> Iterator[str]:
    for description, value in message.ListFields():
        if description.type == description.TYPE_STRING and not description.name.endswith(_NAMES):
            yield from [value] if isinstance(value, str) else value


def _inner(message: Message) -> Iterator[Message]:
    for description, value in message.ListFields():
        if description.type != description.TYPE_MESSAGE:
            continue
        if isinstance(value, Message):
            yield value
        elif description.message_type.GetOptions().map_entry:
            yield from (each for each in value.values() if isinstance(each, Message))
        else:
            yield from value


def _texts(message: Message) -> Iterator[str]:
    yield from _own_texts(message)
    for inner in _inner(message):
        yield from _texts(inner)


def _tells(text: str) -> bool:
    return len(text) >= _LEAST_LENGTH and len(text.split()) >= _LEAST_WORDS


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _beginning(text: str) -> str:
    return text[:_LOOKED_FOR]


def _found(texts: Iterable[str], content: str) -> list[str]:
    """Those that are there, as they are or escaped, as JSON has them in logs and repr() in traces."""
    plain = f"{_plain(content)}\n{_plain(_unescaped(content))}"
    return sorted(each for each in texts if each in plain)


def _unescaped(content: str) -> str:
    letters = _ESCAPED.sub(_letter, content)
    return letters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON has a half at a time of some


def _letter(escaped: re.Match[str]) -> str:
    code = escaped[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return " " if code in _SPACES else code


@dataclass
class Places:
    """Where what was running has left what."""

    published: set[str] = field(default_factory=set)
    """Lines of metrics."""
    traced: set[str] = field(default_factory=set)
    """Names and values of spans."""
    logged: set[str] = field(default_factory=set)
    """Values of log lines of this process, of every level, but for numbers."""
    logs: set[Path] = field(default_factory=set)
    directories: set[Path] = field(default_factory=set)

    def note_metrics_at(self, address: str) -> None:
        """Read them now, unless nobody is there any more."""
        with suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            self.published |= set(answer.read().decode().splitlines())

    def leaks(self, said: Said) -> list[str]:
        """A line for each text that is where it must not be."""
        found = [("metrics", said.in_plain_sight("\n".join(self.published)))]
        found += [("traces", said.in_plain_sight("\n".join(self.traced)))]
        found += [("log lines", said.in_plain_sight("\n".join(self.logged)))]
        found += [(str(path), said.in_plain_sight(_read(path))) for path in sorted(self.logs)]
        for directory in sorted(self.directories):
            store = directory / "knowledge.sqlite"
            found += [(str(store), said.in_store(_kept(store)))]
            found += [(str(path), said.in_index(_written(path))) for path in _files(directory / "index")]
        return [f"{place}: {text!r}" for place, texts in found for text in texts]


def _read(path: Path) -> str:
    """Bytes that are no text do not matter. A directory that is gone with its test has nothing any more."""
    return path.read_bytes().decode(errors="ignore") if path.is_file() else ""


def _written(path: Path) -> str:
    """A file of the index without its holes: of hundreds of megabytes less than one was ever written."""
    content, at, size = b"", 0, path.stat().st_size
    with path.open("rb") as file, suppress(OSError):  # an error says that no data follow
        while at < size:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            content += os.pread(file.fileno(), end - at, at)
            at = end
    return content.translate(None, b"\0").decode(errors="ignore")


def _kept(path: Path) -> str:
    """All that a store keeps, as a backup has it: in the file itself records are packed. Tests break some stores."""
    content = _read(path) + _read(path.with_name(f"{path.name}-wal"))
    with suppress(StoreError):
        if path.is_file():
            with closing(SqliteStore(path)) as store:
                content += "\n".join(to_line(each).decode() for each in store.dump())
    return content


def _files(directory: Path) -> Sequence[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@dataclass
class Spans(SpanExporter):
    """Takes the words of spans to where they are looked through."""

    places: Places

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Names, attributes, events and why a span failed."""
        for span in spans:
            told = [span.name, str(span.status.description), *map(str, (span.attributes or {}).values())]
            told += [f"{event.name} {dict(event.attributes or {})}" for event in span.events]
            self.places.traced |= set(told)
        return SpanExportResult.SUCCESS


class LogLines:
    """Takes every line to where it is looked through, and lets those go on that are of the level asked for.

    Stands where structlog makes loggers that drop what is below a level before anything sees it.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._configure, self._make = structlog.configure, structlog.make_filtering_bound_logger
        self._shown = logging.NOTSET

    def make_logger(self, level: int) -> type[FilteringBoundLogger]:
        """One that drops nothing; the level is remembered."""
        self._shown = level
        return self._make(logging.NOTSET)

    def configure(self, processors: Sequence[Processor], **others: Any) -> None:
        """As asked, with this before the last processor, which writes."""
        self._configure(processors=[*processors[:-1], self._take, processors[-1]], **others)

    def _take(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        told = (value for key, value in event.items() if key != "timestamp" and not isinstance(value, int | float))
        self._places.logged |= set(map(str, told))
        if logging.getLevelNamesMapping().get(method.upper(), logging.ERROR) < self._shown:
            raise structlog.DropEvent
        return event


def heard(channel: grpc.Channel, said: Said) -> grpc.Channel:
    """The same channel; what is sent over it is noted."""
    for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
        setattr(channel, kind, partial(_method, getattr(channel, kind), said))
    return channel


def _method(make: Callable[..., Any], said: Said, path: str, request_serializer: Any = None, **options: Any) -> Any:
    def serialize(message: Message) -> Any:
        said.hear(message)
        return request_serializer(message)

    return make(path, request_serializer=serialize, **options)


SAID = Said()
PLACES = Places()
"""Of this process's tests, from the first to the last."""
