"""From a record of the documents topic to what it wants done: a CloudEvent in binary mode, or a bare message."""

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError

from attune.search.v1.documents_pb2 import DocumentRecord
from attune.services.runtime.documents import DOCUMENT_TYPE, document_id_of
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.records.confluent import unframed, unframed_protobuf
from attune.services.runtime.records.headers import (
    JSON,
    PROTOBUF,
    Headers,
    header,
    headers_of,
    media_type,
    require_version,
)
from attune.services.runtime.records.json_text import json_object
from attune.services.runtime.records.refusal import InvalidRecordError, Reason


def decode_document(record: Record) -> DocumentRecord:
    """The change of a document, with the tenant completed from the key. Nothing is checked against the rules yet.

    Raises:
        InvalidRecordError: there is none, or it contradicts its key.
    """
    headers = headers_of(record)
    require_version(headers)
    if header(headers, "ce_type") not in {"", DOCUMENT_TYPE}:
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, f"ce_type: is not {DOCUMENT_TYPE}")
    change = _of_json(unframed(record.value)) if _is_json(headers) else _of_protobuf(unframed_protobuf(record.value))
    _complete_from_key(change, record.key)
    return change


def _is_json(headers: Headers) -> bool:
    media = media_type(headers)
    if media and media not in PROTOBUF | JSON:
        raise InvalidRecordError(
            Reason.UNKNOWN_SCHEMA, "content-type: is neither application/protobuf nor application/json"
        )
    return media in JSON


def _of_protobuf(value: bytes) -> DocumentRecord:
    try:
        return DocumentRecord.FromString(value)
    except DecodeError as error:
        raise InvalidRecordError(
            Reason.MALFORMED, "the value is not a protobuf DocumentRecord; JSON needs content-type application/json"
        ) from error


def _of_json(value: bytes) -> DocumentRecord:
    try:
        return ParseDict(json_object(value), DocumentRecord())
    except (ParseError, ValueError, RecursionError) as error:
        raise InvalidRecordError(Reason.MALFORMED, f"the value is not {DOCUMENT_TYPE} in proto3 JSON") from error


def _complete_from_key(change: DocumentRecord, key: bytes) -> None:
    """The key must be the document's: otherwise two versions of it may be in two partitions, in no order."""
    try:
        tenant, slash, document_id = key.decode().partition("/")
    except UnicodeDecodeError as error:
        raise InvalidRecordError(Reason.CONFLICT, "the key is not tenant/document id in UTF-8") from error
    if not slash or (change.WhichOneof("operation") and document_id != document_id_of(change)):
        raise InvalidRecordError(Reason.CONFLICT, "the key is not tenant/document id, with the id of the document")
    if change.tenant_id not in {"", tenant}:
        raise InvalidRecordError(Reason.CONFLICT, "tenant_id: is not the key's tenant")
    change.tenant_id = tenant
