"""What was lately read of documents, in memory: searches look at some hundred documents each, and at many again.

The embedded engine hands a vector out as a list of Python floats, and a payload as it parses it from disk: to read 264
vectors takes 15 ms of a core, to read as many documents 9. Only who writes all of an index can keep what it read of it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from attune.services.search.index.port import Document, FloatVector

V = TypeVar("V")
_Key = tuple[str, str]
_ENTRY_BYTES = 300
"""Of a key and its place among the others."""
_DOCUMENT_BYTES, _PART_BYTES = 700, 120
"""About what a document takes without texts, and what each of its entities, attributes, fields and passages adds, the
length of attributes aside.
"""


class SpaceVector(NamedTuple):
    """A document's unit vector [d], and the space that it is in."""

    space: str
    vector: FloatVector


class KeptReads(Generic[V]):
    """What was read of documents by tenant and id: about `most_bytes` of it, of which the least lately used goes first.

    Threads may read and write at once: what was read before a write is not kept after it. So it holds what the engine
    holds, at the latest when `forget` returns.
    """

    def __init__(self, most_bytes: int, size: Callable[[V], int]) -> None:
        self._most_bytes = most_bytes
        self._size = size
        self._bytes = 0
        self._kept: OrderedDict[_Key, V] = OrderedDict()
        self._writes = 0
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, tenant: str, ids: Iterable[str], fetch: Callable[[Sequence[str]], Mapping[str, V]]) -> dict[str, V]:
        """Of those of the documents that there are; `fetch` reads what is not kept."""
        wanted = dict.fromkeys(ids)
        with self._changing:
            writes, found = self._writes, {}
            for each in wanted:
                if (kept := self._kept.get((tenant, each))) is not None:
                    self._kept.move_to_end((tenant, each))
                    found[each] = kept
        missing = [each for each in wanted if each not in found]
        if missing:
            fetched = fetch(missing)
            self._keep(tenant, fetched, writes)
            found |= fetched
        return found

    def forget(self, tenant: str, ids: Iterable[str]) -> None:
        """Documents that were written, or may have been."""
        with self._changing:
            self._writes += 1
            for each in ids:
                if (gone := self._kept.pop((tenant, each), None)) is not None:
                    self._bytes -= _ENTRY_BYTES + self._size(gone)

    def _keep(self, tenant: str, fetched: Mapping[str, V], writes: int) -> None:
        with self._changing:
            if writes != self._writes:  # it may be of before the write
                return
            for each, value in fetched.items():
                if (tenant, each) not in self._kept:  # else another thread was quicker
                    self._kept[tenant, each] = value
                    self._bytes += _ENTRY_BYTES + self._size(value)
            while self._bytes > self._most_bytes:
                self._bytes -= _ENTRY_BYTES + self._size(self._kept.popitem(last=False)[1])


class KeptDocuments:
    """Documents without their texts, and vectors, in about so many bytes together."""

    def __init__(self, most_bytes: int) -> None:
        self.documents = KeptReads[Document](most_bytes // 2, _document_bytes)
        self.vectors = KeptReads[SpaceVector](most_bytes // 2, lambda each: each.vector.nbytes)

    def forget(self, tenant: str, ids: Iterable[str]) -> None:
        """See KeptReads."""
        for kept in (self.documents, self.vectors):
            kept.forget(tenant, ids)


def _document_bytes(document: Document) -> int:
    parts = len(document.entity_ids) + len(document.fields) + len(document.spans) + len(document.principals)
    attributes = sum(2 * _PART_BYTES + len(name) + len(value) for name, value in document.attributes.items())
    return _DOCUMENT_BYTES + _PART_BYTES * parts + attributes + len(document.url)
