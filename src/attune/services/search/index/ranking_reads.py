"""What ranking reads of documents, in front of the embedded engine: first of all the forward index, then memory."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from attune.services.search.index.forward_index import ForwardIndex
from attune.services.search.index.kept_reads import kept_documents, kept_vectors
from attune.services.search.index.points import DIGEST, ID, Payload
from attune.services.search.index.port import Candidate, Document, FloatVector, SpaceVector, ToRank
from attune.services.search.index.read_counts import CountReads, Origin, Part, count_nothing

_NOTED = 20_000
"""Digests of documents that searches found, of about 250 bytes each; each half of them is forgotten at once."""

_Ids: TypeAlias = Sequence[str]
_FetchVectors: TypeAlias = Callable[[_Ids], Iterable[tuple[Payload, SpaceVector]]]
_Written: TypeAlias = Callable[[], Iterable[tuple[Payload, FloatVector]]]


class RankingReads:
    """Of one generation, by who alone writes it. Threads may read and write at once.

    Once a write is over, what is read of its documents is as the engine has it: what memory and the forward index had
    of them is gone then, and what was read before the write does not come back into them. A digest that was noted
    before may be an old one, which nothing has any more; the engine is asked then.
    """

    def __init__(self, forward: ForwardIndex, most_bytes: int, count: CountReads = count_nothing) -> None:
        """`most_bytes`: about how much memory there is for what the forward index does not have."""
        self._forward = forward
        self._count = count
        self._documents = kept_documents(most_bytes // 2)
        self._vectors = kept_vectors(most_bytes // 2)
        self._writing = threading.Lock()
        self._filling = threading.Lock()
        self._writes = 0
        self._noted: dict[tuple[str, str], str] = {}
        self._noted_before: dict[tuple[str, str], str] = {}

    def note(self, tenant: str, candidates: Iterable[Candidate]) -> None:
        """The digests of what a search found."""
        self._noted.update({(tenant, each.id): each.digest for each in candidates})
        if len(self._noted) > _NOTED // 2:
            self._noted, self._noted_before = {}, self._noted

    def to_rank(self, tenant: str, ids: _Ids, fetch: Callable[[_Ids], Mapping[str, Document]]) -> ToRank:
        """Documents without their texts, of those that there are; `fetch` reads them from the engine. With vectors of
        those that a search found.
        """
        found = self._forward.to_rank(tenant, self._digests(tenant, ids))
        self._count(Part.PAYLOAD, Origin.FORWARD_INDEX, len(found.documents))
        self._count(Part.VECTOR, Origin.FORWARD_INDEX, len(found.vectors))
        if others := [each for each in ids if each not in found.documents]:
            found.documents.update(self._documents.read(tenant, others, lambda missing: self._fetched(missing, fetch)))
        return found

    def vectors(self, tenant: str, ids: _Ids, fetch: _FetchVectors) -> dict[str, SpaceVector]:
        """Of those of the documents that there are their vectors. What had to be read from the engine is in the forward
        index from now on.
        """
        found = self._forward.vectors(tenant, self._digests(tenant, ids))
        self._count(Part.VECTOR, Origin.FORWARD_INDEX, len(found))
        if others := [each for each in ids if each not in found]:
            found |= self._vectors.read(tenant, others, lambda missing: self._filled(tenant, missing, fetch))
        return found

    @contextmanager
    def writing(self, tenant: str, ids: Collection[str], written: _Written = list) -> Iterator[None]:
        """Documents are forgotten once they are written or deleted, also where that fails halfway. `written`: which of
        them the engine then has, as they were given to it.
        """
        with self._writing:  # one after the other, so that the last one's rows stay
            try:
                yield
            finally:
                with self._filling:
                    self._writes += 1
                    self._forward.remove(tenant, ids)
                self._documents.forget(tenant, ids)
                self._vectors.forget(tenant, ids)
            self._forward.write(tenant, written())

    def _fetched(self, ids: _Ids, fetch: Callable[[_Ids], Mapping[str, Document]]) -> Mapping[str, Document]:
        found = fetch(ids)
        self._count(Part.PAYLOAD, Origin.ENGINE, len(found))
        return found

    def _filled(self, tenant: str, ids: _Ids, fetch: _FetchVectors) -> dict[str, SpaceVector]:
        writes = self._writes
        rows = {payload[ID]: (payload, vector) for payload, vector in fetch(ids)}
        self._count(Part.VECTOR, Origin.ENGINE, len(rows))
        there = self._forward.vectors(tenant, {id_: payload[DIGEST] for id_, (payload, _) in rows.items()})
        with self._filling:
            if writes == self._writes:  # else it may be of before the write
                new = [(payload, each.vector) for id_, (payload, each) in rows.items() if id_ not in there]
                self._forward.write(tenant, new)
        return {id_: vector for id_, (_, vector) in rows.items()}

    def _digests(self, tenant: str, ids: _Ids) -> dict[str, str]:
        """Of those of the documents that were found lately."""
        found = {}
        for each in ids:
            if digest := self._noted.get((tenant, each)) or self._noted_before.get((tenant, each)):
                found[each] = digest
        return found
