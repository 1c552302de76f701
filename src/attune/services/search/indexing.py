"""IndexDocuments' work: all is linked; what is new or changed is embedded and written, in batches. And its undoing."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import structlog

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import current_call
from attune.services.runtime.documents import nothing_to_search
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.validation import Validation
from attune.services.search.batches import BATCH, REPORTED, Batch, Placed, Report
from attune.services.search.convert import from_message
from attune.services.search.filtering import problem_of, to_value
from attune.services.search.gateway import Gateway, Read
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields
from attune.services.search.index.port import Index, IndexedDocument, Target, Version
from attune.services.search.long_documents import PassageMaker
from attune.services.search.notices import GeneralistCount

_log = structlog.get_logger("attune.search")
PASSAGES = 64
"""Of 1,000 characters: 8,000 words. What a document has beyond them is found by its words."""
_UNLINKED = 1000
"""As many ids as UnlinkObjects takes."""
_T = TypeVar("_T")


class LinksUnavailableError(Exception):
    """The entities of documents cannot be dropped now."""

    def __init__(self) -> None:
        super().__init__("the knowledge service does not answer: documents stay until it does")


class Indexer:
    """Brings documents into the index, and takes them out of it."""

    def __init__(
        self,
        index: Index,
        gateway: Gateway,
        *,
        fields: DeclaredFields = NO_FIELDS,
        passages: int = PASSAGES,
        into: Target | None = None,
    ) -> None:
        """`fields`: what documents can be filtered by. `passages`: how many a document that is too long to be read at
        once has at most. `into`: a generation that is being built, for documents that are no news; else `index`.
        """
        self._index = index
        self._into: Target = index if into is None else into
        self.fields = fields
        self._gateway = gateway
        self._passages = PassageMaker(gateway, passages)
        self._validation = Validation()

    def feeding(self, into: Target) -> "Indexer":
        """The same, for documents that are no news, into a generation that is being built."""
        made = Indexer(self._index, self._gateway, fields=self.fields, into=into)
        made._passages = self._passages
        return made

    async def index(self, messages: AsyncIterator[pb.Document]) -> Report:
        """Everything that is valid is durable and searchable when this returns."""
        report = await self._report(REPORTED)
        batch = Batch()
        place = 0
        async for message in messages:
            violation = self._violation(message)
            if violation:
                report.reject(place, message.document_id, violation)
            else:
                batch.add(Placed(place, from_message(message)), message.ByteSize())
            place += 1
            if batch.full:
                await self._write(batch, report)
                batch = Batch()
        await self._write(batch, report)
        _warn(report.generalist)
        return report

    async def index_versions(self, documents: Sequence[tuple[pb.Document, Version]]) -> Report:
        """The same for valid documents from the log, no id twice: none replaces a later version of it, nor what is
        known of its entities. The places of refusals are those in `documents`.
        """
        report = await self._report(len(documents))
        batch = Batch()
        for place, (message, version) in enumerate(documents):
            if violation := self._undeclared(message):
                report.reject(place, message.document_id, violation)
                continue
            batch.add(Placed(place, from_message(message), version), message.ByteSize())
            if batch.full:
                await self._write(batch, report)
                batch = Batch()
        await self._write(batch, report)
        await self._mend_links({message.document_id: version for message, version in documents})
        _warn(report.generalist)
        return report

    async def delete_versions(self, deletions: Mapping[str, Version]) -> None:
        """Remove documents, by id, that were deleted in the log, where that is not older than they are.

        Raises:
            LinksUnavailableError: the knowledge service is not there to drop their entities; nothing was removed.
        """
        if not deletions:
            return
        # First: once the deletion is in the index, a repetition would pass it over.
        await self._unlink(list(deletions))
        await asyncio.to_thread(self._index.retire, current_call().tenant, deletions)
        await self._mend_links(deletions)

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

    async def _report(self, most_listed: int) -> Report:
        spaces = {domain: expert.key for domain, expert in (await self._gateway.experts()).items()}
        return Report(GeneralistCount(frozenset(spaces)), spaces, most_listed)

    async def _mend_links(self, written: Mapping[str, Version]) -> None:
        """Entities are linked before the index is asked. Where it had a later version, its entities are linked again:
        a worker that has slept may have come between.
        """
        tenant, ids = current_call().tenant, list(written)
        versions = await asyncio.to_thread(self._index.versions, tenant, ids)
        later = [each for each in ids if each in versions and versions[each].is_after(written[each])]
        if not later:
            return
        documents = await asyncio.to_thread(self._index.documents, tenant, later)
        for some in _chunks(list(documents.values()), BATCH):
            await self._gateway.link(some)
        if gone := [each for each in later if each not in documents]:
            await self._unlink(gone)

    async def _unlink(self, document_ids: Sequence[str]) -> None:
        for some in _chunks(document_ids, _UNLINKED):
            if not await self._gateway.unlink(some):
                raise LinksUnavailableError

    async def _write(self, batch: Batch, report: Report) -> None:
        if not batch.documents:
            return
        overtaken = await asyncio.to_thread(self._into.overtaken, current_call().tenant, list(batch.documents))
        wanted = [each for each in batch.documents.values() if each.document.id not in overtaken]
        changed = await self._changed(await self._linked(wanted), report)
        report.unchanged += len(batch.documents) - len(changed)
        if not changed:
            return
        documents = [each.document for each in changed]
        vectors = await self._gateway.passage_vectors(documents, report.generalist.experts)
        ready: list[tuple[Placed, Read]] = []
        for placed, vector in zip(changed, vectors, strict=True):
            if isinstance(vector, str):
                report.reject(placed.place, placed.document.id, FieldViolation("document.text", vector))
            else:
                ready.append((placed, vector))
                report.generalist.add(placed.document.domain)
        if ready:
            await self._put(ready, report)
        report.indexed += len(ready)

    async def _put(self, ready: Sequence[tuple[Placed, Read]], report: Report) -> None:
        """Write documents that have a vector, with the passages of the long ones."""
        read = [(placed.document, vector) for placed, vector in ready]
        passages = await self._passages.passages(read, report.generalist.experts)
        indexed = [_indexed(placed, report) for placed, _ in ready]
        marked = [
            replace(each, digest=self._passages.digest(each.digest)) if each.document.id in passages else each
            for each in indexed
        ]
        rows = np.stack([vector.vector for _, vector in ready])
        await asyncio.to_thread(self._into.upsert, current_call().tenant, marked, rows, passages)

    async def _linked(self, documents: Sequence[Placed]) -> list[Placed]:
        """The documents with their entities. Unchanged ones too: the catalog or the knowledge store may be new."""
        linked = await self._gateway.link([each.document for each in documents]) if documents else []
        return [
            replace(placed, document=replace(placed.document, entity_ids=entity_ids))
            for placed, entity_ids in zip(documents, linked, strict=True)
        ]

    async def _changed(self, documents: list[Placed], report: Report) -> list[Placed]:
        """Those that need a vector. The others keep theirs, and have their versions confirmed."""
        tenant, ids = current_call().tenant, [each.document.id for each in documents]
        known = await asyncio.to_thread(self._into.digests, tenant, ids)
        changed, same = [], []
        for each in documents:
            indexed = _indexed(each, report)
            digest = known.get(each.document.id, "")
            if digest not in (indexed.digest, self._passages.digest(indexed.digest)):
                changed.append(each)
            elif each.version:
                same.append(replace(indexed, digest=digest))
        if same:
            await asyncio.to_thread(self._into.confirm, tenant, same)
        return changed

    def _violation(self, message: pb.Document) -> FieldViolation | None:
        found = self._validation.violations(message)
        if found:
            return FieldViolation(f"document.{found[0].field}", found[0].description)
        nothing = nothing_to_search(message)
        if nothing:
            return FieldViolation(f"document.{nothing.field}", nothing.description)
        return self._undeclared(message)

    def _undeclared(self, message: pb.Document) -> FieldViolation | None:
        """A field that searches could not be filtered by."""
        for name, value in message.fields.items():
            if problem := problem_of(name, to_value(value), self.fields):
                return FieldViolation(f"document.fields[{name}]", problem)
        return None


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _indexed(placed: Placed, report: Report) -> IndexedDocument:
    return IndexedDocument.of(placed.document, report.space(placed.document), placed.version)


def _warn(generalist: GeneralistCount) -> None:
    if generalist.total:
        _log.warning(
            "the general expert embedded documents: no expert is trained for their domain",
            documents=generalist.total,
            domains=list(generalist.by_domain),
        )
