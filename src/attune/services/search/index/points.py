"""How a document is stored in the engine: a point with a dense vector, a BM25 vector and a payload."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from attune.services.search.index.bm25 import Bm25Encoder, SparseWeights
from attune.services.search.index.errors import InvalidVectorError
from attune.services.search.index.port import Document, FloatMatrix, FloatVector, IndexedDocument

DENSE = "dense"
BM25 = "bm25"
TENANT = "tenant"
DOMAIN = "domain"
ID = "id"
DIGEST = "digest"
SPACE = "space"
"""Absent where the general expert has embedded the document."""

Payload: TypeAlias = dict[str, Any]

_POINT_NAMESPACE = uuid.UUID("6f0c0c3e-6f3b-5d0c-9d2e-3a0a8f6c1b57")


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """One document as the engine stores it; `id` is a UUID in its usual spelling."""

    id: str
    dense: list[float]
    bm25: SparseWeights
    payload: Payload


def point_id(tenant: str, document_id: str) -> str:
    """A UUIDv5 (RFC 9562) of the document id within the UUIDv5 of the tenant.

    Nesting leaves no pair of strings that could be split in two ways, as joining them with a separator would.
    """
    return str(uuid.uuid5(uuid.uuid5(_POINT_NAMESPACE, tenant), document_id))


def to_point(tenant: str, indexed: IndexedDocument, vector: FloatVector, encoder: Bm25Encoder) -> IndexPoint:
    document = indexed.document
    payload: Payload = {
        TENANT: tenant,
        DOMAIN: document.domain,
        ID: document.id,
        DIGEST: indexed.digest,
        "title": document.title,
        "text": document.text,
        "entity_ids": list(document.entity_ids),
        "attributes": dict(document.attributes),
        "url": document.url,
    }
    if indexed.space:
        payload[SPACE] = indexed.space
    bm25 = encoder.document(document.title, document.text)
    return IndexPoint(point_id(tenant, document.id), vector.tolist(), bm25, payload)


def to_document(payload: Mapping[str, Any]) -> Document:
    return Document(
        id=payload[ID],
        title=payload["title"],
        text=payload["text"],
        domain=payload[DOMAIN],
        entity_ids=tuple(payload["entity_ids"]),
        attributes=payload["attributes"],
        url=payload["url"],
    )


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
