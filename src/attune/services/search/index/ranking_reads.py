"""What ranking reads of documents, in front of the embedded engine: first of all the forward index, then memory."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attune.services.search.index.forward_index import ForwardIndex
from attune.services.search.index.kept_reads import kept_documents, kept_vectors
from attune.services.search.index.points import ID, Payload, SpaceVector
from attune.services.search.index.port import Candidate, Document, FloatVector

_NOTED = 20_000
"""Digests of documents that searches found, of about 250 bytes each; each half of them is forgotten at once."""

_Ids = Sequence[str]


class RankingReads:
    """Of one generation, by who alone writes it. Threads may read and write at once.

    What was read before a write, of whichever document, is not kept after it: so once a write is over, all that is here
    is as the engine has it.
    """

    def __init__(self, forward: ForwardIndex, most_bytes: int) -> None:
        """`most_bytes`: about how much memory there is for what the forward index does not have."""
        self._forward = forward
        self._documents = kept_documents(most_bytes // 2)
        self._vectors = kept_vectors(most_bytes // 2)
        self._writing = threading.Lock()
        self._changing = threading.Lock()
        self._writes = 0
        self._noted: dict[tuple[str, str], str] = {}
        self._noted_before: dict[tuple[str, str], str] = {}

    def found(self, tenant: str, search: Callable[[], list[Candidate]]) -> list[Candidate]:
        """What a search finds; the digests that it tells are noted."""
        writes = self._writes
        candidates = search()
        with self._changing:
            if writes == self._writes:
                self._noted.update({(tenant, each.id): each.digest for each in candidates})
                if len(self._noted) > _NOTED // 2:
                    self._noted, self._noted_before = {}, self._noted
        return candidates

    def documents(self, tenant: str, ids: _Ids, fetch: Callable[[_Ids], Mapping[str, Document]]) -> dict[str, Document]:
        """Documents without their texts, of those that there are; `fetch` reads them from the engine."""
        found = self._forward.documents(tenant, self._digests(tenant, ids))
        others = [each for each in ids if each not in found]
        return found | self._documents.read(tenant, others, fetch) if others else found

    def vectors(
        self, tenant: str, ids: _Ids, fetch: Callable[[_Ids], Iterable[tuple[Payload, SpaceVector]]]
    ) -> dict[str, SpaceVector]:
        """The same of their vectors. What had to be read from the engine is in the forward index from now on."""
        found = self._forward.vectors(tenant, self._digests(tenant, ids))
        others = [each for each in ids if each not in found]
        if not others:
            return found

        def read(missing: _Ids) -> dict[str, SpaceVector]:
            writes = self._writes
            rows = {payload[ID]: (payload, vector) for payload, vector in fetch(missing)}
            with self._changing:
                if writes == self._writes:
                    self._forward.write(tenant, [(payload, kept.vector) for payload, kept in rows.values()])
            return {id_: kept for id_, (_, kept) in rows.items()}

        return found | self._vectors.read(tenant, others, read)

    @contextmanager
    def writing(
        self, tenant: str, ids: Collection[str], rows: Iterable[tuple[Payload, FloatVector]] = ()
    ) -> Iterator[None]:
        """Documents are forgotten once they are written or deleted, also where that fails halfway. `rows`: what is
        written, with the vectors.
        """
        with self._writing:  # one after the other, so that the last one's rows stay
            try:
                yield
            finally:
                self._forget(tenant, ids)
            self._forward.write(tenant, rows)

    def _forget(self, tenant: str, ids: Collection[str]) -> None:
        with self._changing:
            self._writes += 1
            for each in ids:
                self._noted.pop((tenant, each), None)
                self._noted_before.pop((tenant, each), None)
            self._forward.remove(tenant, ids)
        self._documents.forget(tenant, ids)
        self._vectors.forget(tenant, ids)

    def _digests(self, tenant: str, ids: _Ids) -> dict[str, str]:
        """Of those of the documents that were found lately."""
        found = {}
        for each in ids:
            if digest := self._noted.get((tenant, each)) or self._noted_before.get((tenant, each)):
                found[each] = digest
        return found
