"""One batch of log records: by tenant, the newest change of each document; and what is none, with a reason."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from attune.search.v1.documents_pb2 import DocumentRecord
from attune.services.runtime.documents import document_id_of
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation
from attune.services.search.index.port import Version


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a document, and the record that says so."""

    record: Record
    message: DocumentRecord

    @property
    def document_id(self) -> str:
        """Which document it is."""
        return document_id_of(self.message)

    @property
    def is_deletion(self) -> bool:
        """Whether the document goes."""
        return not self.message.HasField("put")

    @property
    def version(self) -> Version:
        """The document's version by this change."""
        return Version(self.record.partition, self.record.offset, self.record.timestamp_ms)


@dataclass(slots=True)
class Batch:
    """The records of a stretch of one partition, sorted out."""

    newest: dict[tuple[str, str], Change] = field(default_factory=dict)
    """By tenant and document id."""
    refused: list[tuple[Record, InvalidRecordError]] = field(default_factory=list)
    superseded: int = 0
    """How many changes were followed by another of the same document."""

    def by_tenant(self) -> Iterator[tuple[str, list[Change]]]:
        """The changes of each tenant, in the order of the log."""
        found: dict[str, list[Change]] = defaultdict(list)
        for (tenant, _), change in self.newest.items():
            found[tenant].append(change)
        yield from found.items()


def sort_out(records: Sequence[Record], validation: Validation, admission: Admission) -> Batch:
    """Make each record a change or a refusal, whatever it holds."""
    batch = Batch()
    for record in records:
        try:
            change = Change(record, admission.document(record, validation))
        except InvalidRecordError as error:
            batch.refused.append((record, error))
            continue
        place = (change.message.tenant_id, change.document_id)
        batch.superseded += place in batch.newest
        batch.newest[place] = change
    return batch
