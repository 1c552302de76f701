"""How a document is stored in the engine: a point with a dense vector, a BM25 vector and a payload."""

import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from hashlib import sha1
from typing import Any, TypeAlias

import numpy as np

from attune.services.search.index.bm25 import Bm25Encoder, SparseWeights
from attune.services.search.index.errors import InvalidVectorError
from attune.services.search.index.fields import FieldType, from_stored, to_stored
from attune.services.search.index.languages import stored_tags
from attune.services.search.index.passages import PASSAGES, Passages, to_spans
from attune.services.search.index.port import Document, FloatMatrix, FloatVector, IndexedDocument, Version

DENSE = "dense"
BM25 = "bm25"
TENANT = "tenant"
DOMAIN = "domain"
ID = "id"
DIGEST = "digest"
SPACE = "space"
"""Absent where the general expert has embedded the document."""
FIELDS = "fields"
PRINCIPALS = "principals"
"""Absent where everybody may see the document."""
LANGUAGE = "language"
LANGUAGES = "languages"
"""The tag of LANGUAGE and its first part, small: what searches ask for. Both absent where the document names none."""
LIVE = "live"
"""Of what was written, or deleted, while its generation was being built."""
PARTITION = "log_partition"
OFFSET = "log_offset"
LOGGED_MS = "log_ms"
VERSION = (PARTITION, OFFSET, LOGGED_MS)
"""Absent where a document is not from the log."""

TITLE = "title"
TEXT = "text"
ENTITY_IDS = "entity_ids"
ATTRIBUTES = "attributes"
URL = "url"
WITHOUT_TEXTS = (TENANT, ID, DOMAIN, ENTITY_IDS, ATTRIBUTES, URL, FIELDS, PRINCIPALS, LANGUAGE)
"""All of a document but its title, its text, and what passages that has."""

Payload: TypeAlias = dict[str, Any]


class Origin(Enum):
    """Why a document is written, which matters while a generation is being built."""

    ANY = 0
    """Nothing is being built."""
    LIVE = 1
    """It is news."""
    FED = 2
    """It is what there was before: what is news stays."""


_POINT_NAMESPACE = uuid.UUID("6f0c0c3e-6f3b-5d0c-9d2e-3a0a8f6c1b57")


def field_key(name: str) -> str:
    """Where a filter field is in the payload."""
    return f"{FIELDS}.{name}"


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """One document as the engine stores it; `id` is a UUID in its usual spelling.

    What is no document has no vectors and no tenant, so that no search, and no count, ever sees it.
    """

    id: str
    payload: Payload
    dense: list[float] | None = None
    bm25: SparseWeights | None = None
    version: Version | None = None
    """Where it has one, it takes the place of older versions alone."""
    fed: bool = False
    """Then it takes the place of others that were fed alone."""
    passages: list[list[float]] | None = None


def point_id(tenant: str, document_id: str) -> str:
    """A UUIDv5 (RFC 9562) of the document id within the UUIDv5 of the tenant, as it is spelled.

    Nesting leaves no pair of strings that could be split in two ways, as joining them with a separator would. A search
    makes hundreds, which by the uuid module alone takes longer than to find the documents.
    """
    digest = bytearray(sha1(_namespace(tenant) + document_id.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # RFC 9562's variant
    digits = digest.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def slot_keys(tenant: str, document_ids: Iterable[str]) -> list[int]:
    """Of each document 64 bits of the same SHA-1, none of which are 0: a key in the forward index. Should two documents
    have the same, as is not to be expected, one of them has no place there.
    """
    namespace = _namespace(tenant)
    digests = b"".join(sha1(namespace + each.encode(), usedforsecurity=False).digest() for each in document_ids)
    keys = np.frombuffer(digests, np.dtype([("key", "<u8"), ("more", "V12")]))["key"]
    return np.maximum(keys, 1).tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def _namespace(tenant: str) -> bytes:
    return uuid.uuid5(_POINT_NAMESPACE, tenant).bytes


def to_point(
    tenant: str,
    indexed: IndexedDocument,
    vector: FloatVector,
    encoder: Bm25Encoder,
    passages: Passages | None = None,
    origin: Origin = Origin.ANY,
) -> IndexPoint:
    document = indexed.document
    payload: Payload = {
        TENANT: tenant,
        DOMAIN: document.domain,
        ID: document.id,
        DIGEST: indexed.digest,
        TITLE: document.title,
        TEXT: document.text,
        ENTITY_IDS: list(document.entity_ids),
        ATTRIBUTES: dict(document.attributes),
        URL: document.url,
    }
    payload |= _optional(document)
    if indexed.space:
        payload[SPACE] = indexed.space
    if indexed.version:
        payload |= of_version(indexed.version)
    if origin is Origin.LIVE:
        payload[LIVE] = 1
    if passages:
        payload[PASSAGES] = [list(span) for span in passages.spans]
    bm25 = encoder.document(document.title, document.text, document.language)
    rows = passages.vectors.tolist() if passages else None
    is_fed = origin is Origin.FED
    return IndexPoint(point_id(tenant, document.id), payload, vector.tolist(), bm25, indexed.version, is_fed, rows)


def _optional(document: Document) -> Payload:
    """What few documents have; absent is what they do not have."""
    fields = {name: to_stored(value) for name, value in document.fields.items()}
    tags = stored_tags(document.language)
    optional = {FIELDS: fields, PRINCIPALS: list(document.principals), LANGUAGE: document.language, LANGUAGES: tags}
    return {name: value for name, value in optional.items() if value}


def to_mark(tenant: str, document_id: str, version: Version) -> IndexPoint:
    """What stays of a document that was deleted in the log: it takes the document's place."""
    return IndexPoint(point_id(tenant, document_id), {ID: document_id, **of_version(version)}, version=version)


def to_grave(tenant: str, document_id: str) -> IndexPoint:
    """What stays of a document that was deleted while its generation was being built: it cannot be fed any more."""
    return IndexPoint(point_id(tenant, document_id), {ID: document_id, LIVE: 1})


def to_passages_mark(tenant: str) -> IndexPoint:
    """Says that documents of this tenant may have passages."""
    return IndexPoint(passages_mark_id(tenant), {PASSAGES: True})


def passages_mark_id(tenant: str) -> str:
    """The id of that point. No tenant can be named so."""
    return point_id("/passages/", tenant)


def to_log_offset(partition: int, offset: int) -> IndexPoint:
    """How far a partition of the log is in the index: like a document of which only the version is known."""
    version = Version(partition, offset, 0)
    return IndexPoint(log_offset_id(partition), of_version(version), version=version)


def log_offset_id(partition: int) -> str:
    """The id of that point. No tenant can be named so."""
    return point_id("/log offsets/", str(partition))


def of_version(version: Version) -> Payload:
    """The fields of a version."""
    return {PARTITION: version.partition, OFFSET: version.offset, LOGGED_MS: version.logged_ms}


def to_version(payload: Mapping[str, Any]) -> Version | None:
    """The version of a point, if it has one."""
    if OFFSET not in payload:
        return None
    return Version(payload[PARTITION], payload[OFFSET], payload[LOGGED_MS])


def to_document(payload: Mapping[str, Any], types: Mapping[str, FieldType]) -> Document:
    """What was stored, its fields as of these declared types; without what was not read of its texts."""
    fields = payload.get(FIELDS, {})
    return Document(
        id=payload[ID],
        title=payload.get(TITLE, ""),
        text=payload.get(TEXT, ""),
        domain=payload[DOMAIN],
        entity_ids=tuple(payload[ENTITY_IDS]),
        attributes=payload[ATTRIBUTES],
        url=payload[URL],
        fields={name: from_stored(value, types.get(name)) for name, value in fields.items()},
        principals=tuple(payload.get(PRINCIPALS, ())),
        language=payload.get(LANGUAGE, ""),
        spans=to_spans(payload),
    )


def to_vector(values: Sequence[float]) -> FloatVector:
    """A point's dense vector, not to be written to. Of a list, this takes half as long as numpy does."""
    return np.frombuffer(struct.pack(f"={len(values)}f", *values), np.float32)


def require_matrix(documents: Sequence[IndexedDocument], vectors: FloatMatrix, dimension: int) -> None:
    """Raises InvalidVectorError unless `vectors` is finite and [len(documents), dimension]."""
    if vectors.ndim != 2 or vectors.shape[0] != len(documents):
        raise InvalidVectorError(
            f"vectors has shape {vectors.shape} for {len(documents)} documents: give one row per document"
        )
    _require_width("vectors", vectors, dimension)


def require_vector(vector: FloatVector, dimension: int) -> None:
    """Raises InvalidVectorError unless `vector` is finite and [dimension]."""
    if vector.ndim != 1:
        raise InvalidVectorError(f"vector has shape {vector.shape}: give one vector of {dimension} values")
    _require_width("vector", vector, dimension)


def _require_width(name: str, values: FloatMatrix, dimension: int) -> None:
    if values.shape[-1] != dimension:
        raise InvalidVectorError(
            f"{name} is {values.shape[-1]} wide, but the index holds vectors of {dimension}: "
            "embed with the model that the index was built with, or build a new index for this one"
        )
    if not np.isfinite(values).all():
        raise InvalidVectorError(f"{name} holds NaN or infinity: check the model and its input")
