"""Records of the documents topic: every format says the same, and what contradicts itself is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.search.v1.documents_pb2 import DocumentRecord
from attune.search.v1.search_pb2 import Document
from attune.services.client import deletion_record, document_record
from attune.services.runtime.documents import DOCUMENT_TYPE, DOCUMENTS_TOPIC, document_id_of, document_key
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.validation import Validation

VALIDATION = Validation()
DOCUMENT = Document(document_id="a/b", title="Title", text="Text", domain="python", attributes={"k": "v"})
KEY = b"acme/a/b"
PUT = DocumentRecord(tenant_id="acme", put=DOCUMENT)
JSON = ("content-type", b"application/json")
FIELDS = {"documentId": "a/b", "title": "Title", "text": "Text", "domain": "python", "attributes": {"k": "v"}}

Headers = tuple[tuple[str, bytes], ...]


def record(value: bytes, headers: Headers = (), key: bytes = KEY) -> Record:
    return Record(DOCUMENTS_TOPIC, 0, 0, 0, key, value, headers)


def refused(value: bytes, headers: Headers = (), key: bytes = KEY) -> tuple[Reason, str]:
    with pytest.raises(InvalidRecordError) as caught:
        Admission().document(record(value, headers, key), VALIDATION)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (PUT.SerializeToString(), ()),
        (DocumentRecord(put=DOCUMENT).SerializeToString(), (("content-type", b"application/x-protobuf"),)),
        (b"\x00\x00\x00\x00\x07\x00" + PUT.SerializeToString(), ()),
        (json.dumps({"put": FIELDS}).encode(), (JSON,)),
        (json.dumps({"tenant_id": "acme", "put": FIELDS}).encode(), (JSON, ("CE_Type", DOCUMENT_TYPE.encode()))),
    ],
)
def test_every_format_says_the_same(value: bytes, headers: Headers) -> None:
    assert Admission().document(record(value, headers), VALIDATION) == PUT


def test_what_the_client_makes_is_taken() -> None:
    put, delete = document_record("acme", DOCUMENT), deletion_record("acme", "a/b")
    assert put.key == delete.key == KEY
    assert Admission().document(record(put.value, tuple(put.headers), put.key), VALIDATION) == PUT
    taken = Admission().document(record(delete.value, tuple(delete.headers), delete.key), VALIDATION)
    assert taken.delete_id == "a/b"


@pytest.mark.parametrize(("tenant", "document_id"), [("", "1"), ("acme", "")])
def test_the_client_refuses_half_a_key(tenant: str, document_id: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        document_record(tenant, Document(document_id=document_id))
    with pytest.raises(ValueError, match="is empty"):
        deletion_record(tenant, document_id)


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"\xff", (), Reason.MALFORMED),
        (b"\x00\x01", (), Reason.MALFORMED),
        (b"\x00\x00\x00\x00\x07\x04\x02", (), Reason.UNKNOWN_SCHEMA),
        (b"[]", (JSON,), Reason.MALFORMED),
        (b"null", (JSON,), Reason.MALFORMED),
        (b'{"put": 7}', (JSON,), Reason.MALFORMED),
        (b'{"put": {}, "deleteId": "1"}', (JSON,), Reason.MALFORMED),
        (b"{" * 100_000, (JSON,), Reason.MALFORMED),
        (PUT.SerializeToString(), (("ce_type", b"attune.events.v1.InteractionEvent"),), Reason.UNKNOWN_SCHEMA),
        (PUT.SerializeToString(), (("ce_specversion", b"2.0"),), Reason.UNKNOWN_SCHEMA),
        (PUT.SerializeToString(), (("content-type", b"text/plain"),), Reason.UNKNOWN_SCHEMA),
        (b"", (), Reason.INVALID),
        (DocumentRecord(put=Document(document_id="a/b")).SerializeToString(), (), Reason.INVALID),
    ],
)
def test_what_is_no_document_is_refused(value: bytes, headers: Headers, reason: Reason) -> None:
    assert refused(value, headers)[0] is reason


@pytest.mark.parametrize("key", [b"", b"acme", b"a/b", b"other/a/b", b"acme/other", b"\xff/a/b"])
def test_a_key_that_is_not_the_documents_is_a_conflict(key: bytes) -> None:
    assert refused(PUT.SerializeToString(), key=key)[0] is Reason.CONFLICT


def test_a_tenant_is_one_of_the_tokens_and_the_size_is_bounded() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        Admission(frozenset({"other"})).document(record(PUT.SerializeToString()), VALIDATION)
    assert caught.value.reason is Reason.UNKNOWN_TENANT
    assert refused(b"x" * MAX_ENTRY_BYTES)[0] is Reason.TOO_LARGE


@given(value=st.binary(max_size=60), key=st.binary(max_size=20), is_json=st.booleans())
def test_any_bytes_are_a_document_with_its_key_or_refused(value: bytes, key: bytes, is_json: bool) -> None:
    try:
        change = Admission().document(record(value, (JSON,) if is_json else (), key), VALIDATION)
    except InvalidRecordError:
        return
    assert key == document_key(change.tenant_id, document_id_of(change))
