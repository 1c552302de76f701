"""Documents from files into the log, each judged as the search role will judge it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from rich.markup import escape

from attune.search.v1.search_pb2 import Document, FieldValue
from attune.services.cli.corpora.model import CorpusDocument, CorpusError
from attune.services.cli.field_values import to_field_values
from attune.services.cli.output import console, print_json, progress
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.documents import DOCUMENTS_TOPIC, put_entry
from attune.services.runtime.eventlog.port import Entry, LogWriter, Record, epoch_ms
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.stores import open_event_log
from attune.services.runtime.validation import Validation
from attune.services.search.index.declaring import declared_fields

_AT_ONCE = 500
_LISTED = 100


class Target(StrEnum):
    """Where documents can be sent."""

    SERVICE = "service"
    LOG = "log"


@dataclass(slots=True)
class SentDocuments:
    """What became of the documents so far."""

    accepted: int = 0
    rejected_count: int = 0
    rejected: list[dict[str, str | int]] = field(default_factory=list)
    """The first ones: index, document_id, reason."""
    log_end_offsets: dict[int, int] = field(default_factory=dict)
    """By partition: the log's end behind the last of the documents."""


class DocumentSink:
    """Appends documents of one tenant to the log."""

    def __init__(self, event_log: LogWriter, admission: Admission, tenant: str, clock: Clock) -> None:
        self._event_log = event_log
        self._admission = admission
        self._tenant = tenant
        self._clock = clock
        self._validation = Validation()
        self.sent = SentDocuments()

    def send(self, start: int, documents: Sequence[CorpusDocument]) -> None:
        """Have those that are valid in the log when this returns; `start` is the place of the first of them.

        Raises what `LogWriter.append` raises.
        """
        now = self._clock()
        judged = [self._entry(start + place, each, epoch_ms(now)) for place, each in enumerate(documents)]
        entries = [each for each in judged if each is not None]
        ends = self.sent.log_end_offsets
        for position in self._event_log.append(DOCUMENTS_TOPIC, entries, now) if entries else ():
            ends[position.partition] = max(ends.get(position.partition, 0), position.offset + 1)
        self.sent.accepted += len(entries)

    def _entry(self, place: int, document: CorpusDocument, now_ms: int) -> Entry | None:
        entry = put_entry(self._tenant, to_message(document))
        record = Record(DOCUMENTS_TOPIC, 0, 0, now_ms, entry.key, entry.value, entry.headers)
        try:
            self._admission.document(record, self._validation)
        except InvalidRecordError as error:
            self.sent.rejected_count += 1
            if len(self.sent.rejected) < _LISTED:
                self.sent.rejected.append({"index": place, "document_id": document.id, "reason": str(error)})
            return None
        return entry


def send_to_log(documents: Sequence[CorpusDocument], tenant: str, title: str) -> SentDocuments:
    """Append documents to the log of the configuration, under a progress bar.

    Raises:
        ConfigError, EventLogError: the log cannot be opened, or does not take them.
    """
    config = Config()
    with closing(open_event_log(config)) as event_log, progress() as bar:
        sink = DocumentSink(event_log, Admission.of(config), tenant, system_clock)
        task = bar.add_task(title, total=len(documents))
        for start, batch in batches(documents, _AT_ONCE):
            sink.send(start, batch)
            bar.advance(task, len(batch))
    return sink.sent


def tell_sent(sent: SentDocuments, *, as_json: bool) -> None:
    """Print what became of them."""
    if as_json:
        print_json(
            {
                "accepted": sent.accepted,
                "rejected": sent.rejected,
                "rejected_count": sent.rejected_count,
                "log_end_offsets": sent.log_end_offsets,
            }
        )
        return
    console.print(f"accepted {sent.accepted}, refused {sent.rejected_count}")
    for each in sent.rejected:
        line = f"  document {each['index']} ({each['document_id']}): {each['reason']}"
        console.print(escape(line), style="yellow")


def batches(documents: Iterable[CorpusDocument], size: int) -> Iterator[tuple[int, list[CorpusDocument]]]:
    """Documents some at a time, each time with the place of the first."""
    rest = iter(documents)
    start = 0
    while batch := list(islice(rest, size)):
        yield start, batch
        start += len(batch)


def to_message(document: CorpusDocument) -> Document:
    """A document as callers of the services hand it in."""
    return Document(
        document_id=document.id,
        title=document.title,
        text=document.text,
        domain=document.domain,
        url=document.url,
        fields=_field_values(document),
        principals=document.principals,
        language=document.language,
    )


def _field_values(document: CorpusDocument) -> dict[str, FieldValue]:
    if not document.fields:
        return {}
    try:
        return to_field_values(document.fields, declared_fields(Config()))
    except ValueError as error:
        raise CorpusError(f"document {document.id!r}: {error}") from error
