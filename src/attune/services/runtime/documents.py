"""Documents in the log: what IndexDocuments and DeleteDocuments do, for any number of documents and without waiting.

    attune.documents.v1      put a document, or delete one; of each document the newest is all that is needed
    attune.documents.v1.dlq  what is neither

The key is tenant/document id: a tenant has no slash in its name, so that no two documents share one. Who has deleted a
document says so in a record, and not by a null value: Kafka drops nulls a day after it has compacted them, and a reader
that was away for longer would keep the document for ever.
"""

from hashlib import blake2b

from attune.search.v1.documents_pb2 import DocumentRecord
from attune.search.v1.search_pb2 import Document
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.port import Entry

DOCUMENTS_TOPIC = "attune.documents.v1"
DOCUMENT_DEAD_LETTER_TOPIC = "attune.documents.v1.dlq"
DOCUMENT_TYPE = DocumentRecord.DESCRIPTOR.full_name


def put_entry(tenant: str, document: Document) -> Entry:
    """What adds a document, or replaces the one with its id."""
    return _entry(DocumentRecord(tenant_id=tenant, put=document))


def deletion_entry(tenant: str, document_id: str) -> Entry:
    """What removes a document."""
    return _entry(DocumentRecord(tenant_id=tenant, delete_id=document_id))


def document_id_of(record: DocumentRecord) -> str:
    """Which document it is about."""
    return record.delete_id if record.WhichOneof("operation") == "delete_id" else record.put.document_id


def nothing_to_search(document: Document) -> FieldViolation | None:
    """What is wrong with a document that has no words, which no rule of the .proto says."""
    if document.title.strip() or document.text.strip():
        return None
    return FieldViolation("text", "is empty, and so is the title: there is nothing to search")


def document_key(tenant: str, document_id: str) -> bytes:
    """The key of a document's records: it keeps its versions in order, and of the old ones Kafka may keep none."""
    return f"{tenant}/{document_id}".encode()


def _entry(record: DocumentRecord) -> Entry:
    key, value = document_key(record.tenant_id, document_id_of(record)), record.SerializeToString(deterministic=True)
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", blake2b(key + value, digest_size=16).hexdigest().encode()),
        ("ce_type", DOCUMENT_TYPE.encode()),
        ("ce_source", b"attune/client"),
        ("content-type", b"application/protobuf"),
    )
    return Entry(key, value, headers)
