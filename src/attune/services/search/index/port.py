"""What the search service knows of an index: documents in, ranked candidates out.

All methods block; the service calls them from worker threads. A tenant sees its own documents only: the same
document id in two tenants names two documents, and no score depends on what another tenant has indexed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from attune.services.search.index.fields import FieldValue, to_stored
from attune.services.search.index.generations import Generation
from attune.services.search.index.narrowing import EVERYTHING, Within
from attune.services.search.index.passages import Passages, Span

FloatVector: TypeAlias = npt.NDArray[np.float32]
"""One dense vector, shape [dimension]."""

FloatMatrix: TypeAlias = npt.NDArray[np.float32]
"""One dense vector per document, shape [documents, dimension]."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as callers hand it in. `entity_ids` are the catalog entities that the service linked in it."""

    id: str
    title: str
    text: str
    domain: str
    entity_ids: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    """What searches can be filtered by."""
    principals: tuple[str, ...] = ()
    """Who may see it; none: everybody of the tenant."""
    language: str = ""
    """A BCP 47 tag; empty: as in English."""
    spans: tuple[Span, ...] = ()
    """Of a document that is indexed: its passages, where it was too long to be read at once."""


def content_digest(document: Document, space: str = "") -> str:
    """SHA-256, in hex, of all that is kept of a document but its id; the order of the attributes does not matter.

    The entities count: with another catalog the same text is linked to others. So does the space: another expert, or
    another version of it, embeds the same text anew.
    """
    entities = list(document.entity_ids)
    content = [document.title, document.text, document.domain, dict(document.attributes), document.url, entities]
    if space:
        content.append(space)
    if document.fields or document.principals or document.language:
        fields = {name: to_stored(value) for name, value in document.fields.items()}
        content.append({"fields": fields, "principals": sorted(document.principals), "language": document.language})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Version:
    """The record of the log that a document, or its deletion, is from."""

    partition: int
    offset: int
    logged_ms: int
    """When the log took it, milliseconds since 1970 UTC."""

    def is_after(self, other: "Version | None") -> bool:
        """Whether this one counts. A partition's records are in order; a document that moved to another partition, as
        the topic got more of them, has records in both, which time alone can tell apart.
        """
        if other is None:
            return True
        if self.partition == other.partition:
            return self.offset > other.offset
        return self.logged_ms >= other.logged_ms


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document, the digest by which a later run knows that it has not changed, and the space of its vector.

    Vectors of one space are comparable. The general expert's has no name. The version is that of a document from the
    log, and of no other.
    """

    document: Document
    digest: str
    space: str = ""
    version: Version | None = None

    @classmethod
    def of(cls, document: Document, space: str = "", version: Version | None = None) -> Self:
        return cls(document, content_digest(document, space), space, version)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document found, with the score of the ranking that found it: cosine or BM25, greater is better."""

    id: str
    score: float
    digest: str = field(default="", compare=False, repr=False)
    """Of what was found, as it was indexed, where the engine tells it."""


class SpaceVector(NamedTuple):
    """A document's unit vector [dimension], and the space that it is in."""

    space: str
    vector: FloatVector


@dataclass(frozen=True, slots=True)
class ToRank:
    """What ranking reads of documents, by id."""

    documents: dict[str, Document]
    """Title, text and spans are empty: what ranks hundreds of documents reads a tenth then."""
    vectors: Mapping[str, SpaceVector]
    """Those that came along at no cost: of all, some or none of the documents."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that a search may return: one tenant's, in any of `domains` (none named: all of them), with vectors
    of `space` (None: of any), as far as `within` lets them through.
    """

    tenant: str
    domains: tuple[str, ...] = ()
    space: str | None = None
    within: Within = EVERYTHING


NO_PASSAGES: Mapping[str, Passages] = MappingProxyType({})


class Target(Protocol):
    """What documents are indexed into. See `Index`."""

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]: ...

    def overtaken(self, _tenant: str, _ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids whose documents it has newer ones of, or has seen deleted: they are not to be written."""

    def upsert(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
    ) -> None: ...

    def confirm(self, tenant: str, documents: Sequence[IndexedDocument]) -> None: ...


class Index(Protocol):
    """One search index. Rankings are ordered by falling score, equal scores by document id."""

    def upsert(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
    ) -> None:
        """Write documents, replacing those with the same id; row i of `vectors` embeds document i. Those of long ones
        have `passages` too, by document id.

        Once it returns, the documents survive the death of this process. Of several documents with one id the last
        wins, but one with a version never replaces one of the same version or a later one, nor its deletion, whoever
        else writes at the same time. A batch that fails half-way leaves whole documents behind, each old or new; repeat
        it.

        Raises:
            InvalidVectorError: `vectors`, or those of passages, are not a finite [documents, dimension] matrix; nothing
                was written.
        """

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]:
        """Digest of each of these documents that is indexed, so that unchanged ones need no new vector."""

    def delete(self, tenant: str, ids: Sequence[str]) -> int:
        """Remove documents; returns how many of them there were."""

    def retire(self, tenant: str, deletions: Mapping[str, Version]) -> None:
        """Remove documents by id, and remember the versions of their deletion: older ones do not come back. What has
        the same version, or a later one, stays.
        """

    def confirm(self, tenant: str, documents: Sequence[IndexedDocument]) -> None:
        """Let documents that are indexed with the same digest have these versions, where those are later."""

    def overtaken(self, _tenant: str, _ids: Sequence[str]) -> frozenset[str]:
        """See `Target.overtaken`: none; what is written here is news."""

    def versions(self, tenant: str, ids: Sequence[str]) -> dict[str, Version]:
        """The versions of those documents, or of their deletions, that have one."""

    def log_offset(self, partition: int) -> int:
        """All records of the log's partition before this offset are in the index; 0 where nobody said anything."""

    def move_log_offset(self, partition: int, offset: int) -> None:
        """Say so, once it is true. It is as durable as the documents, and never goes back."""

    def get(self, tenant: str, document_id: str, principals: Sequence[str] | None = None) -> Document | None:
        """A document that a caller with these principals may see; None: may see whatever there is."""

    def documents(
        self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None
    ) -> dict[str, Document]:
        """These documents by id, without those that are not indexed, or that such a caller may not see."""

    def to_rank(self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None) -> ToRank:
        """What ranking reads of the same documents."""

    def passages(self, tenant: str, ids: Sequence[str]) -> dict[str, Passages]:
        """The passages of those of these documents that have some."""

    def vectors(self, tenant: str, ids: Sequence[str], space: str | None = None) -> dict[str, FloatVector]:
        """The unit vectors of those of these documents that have theirs in `space` (None: in any)."""

    def count(self, tenant: str) -> int:
        """How many documents this tenant has."""

    def inhabited(self, tenant: str, domains: Sequence[str], principals: Sequence[str] | None = None) -> frozenset[str]:
        """Those of `domains` that at least one document has that such a caller may see. Costs a look-up each."""

    def inhabited_spaces(
        self, tenant: str, spaces: Sequence[str], principals: Sequence[str] | None = None
    ) -> frozenset[str]:
        """Those of `spaces` that at least one document has its vector in that such a caller may see."""

    def dense(
        self,
        tenant: str,
        vector: FloatVector,
        limit: int,
        domains: Sequence[str] = (),
        space: str | None = None,
        within: Within = EVERYTHING,
    ) -> list[Candidate]:
        """The documents nearest to `vector` [dimension] by cosine, of those with vectors in `space` (None: in any).

        What narrows the search does so before documents are ranked: as many come as there are, up to `limit`. Each is
        as near as its own vector or the nearest of its passages.

        Raises:
            InvalidVectorError: `vector` has another dimension than the index, or is not finite.
            InvalidQueryError: `limit` is below 1.
        """

    def bm25(
        self, tenant: str, text: str, limit: int, domains: Sequence[str] = (), within: Within = EVERYTHING
    ) -> list[Candidate]:
        """The documents that share words with `text`, by BM25. Text without a word to search for finds nothing.

        Its words are taken as in the languages of `within`. Term statistics are the tenant's, whatever narrows the
        search, so a document scores alike in any narrowing. An engine may count documents that are deleted, or
        replaced, for a while: so Lucene does, too.

        Raises:
            InvalidQueryError: `limit` is below 1.
        """

    def epoch(self) -> int:
        """Another number after every change of generations, which may have read other stretches of the log."""

    def generations(self) -> list[Generation]:
        """What serves, what is being built, and what is left of others."""

    def create_generation(self) -> Generation:
        """Begin to build a generation of this service's model and fields, empty. From now on writes go to it, too.

        Raises:
            GenerationError: one is being built.
        """

    def feed(self, generation: str) -> Target:
        """Where to bring what there was before. What was written meanwhile, or deleted, stays so.

        Raises:
            GenerationError: this one is not being built.
        """

    def activate_generation(self, name: str, *, force: bool = False) -> Generation:
        """Let the generation that is being built serve, and drop the one before. Searches go on throughout.

        Raises:
            LogBehindError: it lacks records of the log that the one before has.
            GenerationError: it is not being built, or lacks all documents of a tenant. `force` does it nevertheless.
        """

    def drop_generation(self, name: str) -> None:
        """Delete a generation that does not serve.

        Raises:
            GenerationError: it serves, or there is no such one.
        """

    def flush(self) -> None:
        """Bring what was written to stable storage, so that it survives a power failure too."""

    def close(self) -> None:
        """Flush and release the engine. The index cannot be used afterwards."""
