"""IndexDocuments' work: all is linked; what is new or changed is embedded and written, in batches. And its undoing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import current_call
from attune.services.runtime.documents import nothing_to_search
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.validation import Validation
from attune.services.search.convert import from_message
from attune.services.search.gateway import Gateway
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.notices import GeneralistCount

_log = structlog.get_logger("attune.search")
_BATCH = 64
_BATCH_BYTES = 4 << 20
REPORTED = 100


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was refused."""

    index: int
    document_id: str
    violation: FieldViolation


@dataclass(slots=True)
class Report:
    """What became of a stream of documents."""

    generalist: GeneralistCount
    spaces: Mapping[str, str]
    """The key of the space that each known domain's expert embeds in."""
    indexed: int = 0
    unchanged: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0

    def space(self, document: Document) -> str:
        """Where a document is embedded."""
        return self.spaces.get(document.domain, "")

    def reject(self, place: int, document_id: str, violation: FieldViolation) -> None:
        """Count a refusal; keep the first ones."""
        self.rejected_count += 1
        if len(self.rejected) < REPORTED:
            self.rejected.append(Rejected(place, document_id, violation))


@dataclass(slots=True)
class _Batch:
    """Documents of a stream by id, with their places in it. Of two with one id the later one counts."""

    documents: dict[str, tuple[int, Document]] = field(default_factory=dict)
    size: int = 0

    def add(self, place: int, document: Document, size: int) -> None:
        self.documents[document.id] = (place, document)
        self.size += size

    @property
    def full(self) -> bool:
        return len(self.documents) >= _BATCH or self.size >= _BATCH_BYTES


class Indexer:
    """Brings documents into the index, and takes them out of it."""

    def __init__(self, index: Index, gateway: Gateway) -> None:
        self._index = index
        self._gateway = gateway
        self._validation = Validation()

    async def index(self, messages: AsyncIterator[pb.Document]) -> Report:
        """Everything that is valid is durable and searchable when this returns."""
        spaces = {domain: expert.key for domain, expert in (await self._gateway.experts()).items()}
        report = Report(GeneralistCount(frozenset(spaces)), spaces)
        batch = _Batch()
        place = 0
        async for message in messages:
            violation = self._violation(message)
            if violation:
                report.reject(place, message.document_id, violation)
            else:
                batch.add(place, from_message(message), message.ByteSize())
            place += 1
            if batch.full:
                await self._write(batch, report)
                batch = _Batch()
        await self._write(batch, report)
        _warn(report.generalist)
        return report

    async def delete(self, document_ids: Sequence[str]) -> int:
        """Remove documents; how many were there. Their entities go too, where the knowledge service answers.

        Those of documents that were not there are dropped as well, so that a repeated call does what was left over.
        """
        deleted = await asyncio.to_thread(self._index.delete, current_call().tenant, document_ids)
        if not await self._gateway.unlink(document_ids):
            _log.warning(
                "documents stay linked until they are deleted again: the knowledge service is unavailable",
                documents=len(document_ids),
            )
        return deleted

    async def _write(self, batch: _Batch, report: Report) -> None:
        if not batch.documents:
            return
        changed = await self._changed(await self._linked(batch), report)
        report.unchanged += len(batch.documents) - len(changed)
        if not changed:
            return
        documents = [document for _, document in changed]
        vectors = await self._gateway.passage_vectors(documents, report.generalist.experts)
        ready, rows = [], []
        for (place, document), vector in zip(changed, vectors, strict=True):
            if isinstance(vector, str):
                report.reject(place, document.id, FieldViolation("document.text", vector))
            else:
                ready.append(IndexedDocument.of(document, report.space(document)))
                rows.append(vector)
                report.generalist.add(document.domain)
        if ready:
            await asyncio.to_thread(self._index.upsert, current_call().tenant, ready, np.stack(rows))
        report.indexed += len(ready)

    async def _linked(self, batch: _Batch) -> list[tuple[int, Document]]:
        """The documents with their entities. Unchanged ones too: the catalog or the knowledge store may be new."""
        linked = await self._gateway.link([document for _, document in batch.documents.values()])
        return [
            (place, replace(document, entity_ids=entity_ids))
            for (place, document), entity_ids in zip(batch.documents.values(), linked, strict=True)
        ]

    async def _changed(self, documents: list[tuple[int, Document]], report: Report) -> list[tuple[int, Document]]:
        ids = [document.id for _, document in documents]
        known = await asyncio.to_thread(self._index.digests, current_call().tenant, ids)
        return [
            (place, document)
            for place, document in documents
            if known.get(document.id) != IndexedDocument.of(document, report.space(document)).digest
        ]

    def _violation(self, message: pb.Document) -> FieldViolation | None:
        found = self._validation.violations(message)
        if found:
            return FieldViolation(f"document.{found[0].field}", found[0].description)
        nothing = nothing_to_search(message)
        return FieldViolation(f"document.{nothing.field}", nothing.description) if nothing else None


def _warn(generalist: GeneralistCount) -> None:
    if generalist.total:
        _log.warning(
            "the general expert embedded documents: no expert is trained for their domain",
            documents=generalist.total,
            domains=list(generalist.by_domain),
        )
