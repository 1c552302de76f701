"""What was lately read of documents, in memory: searches look at some hundred documents each, and at many again.

The embedded engine hands a vector out as a list of Python floats, and a payload as it parses it from disk: to read 264
vectors takes 15 ms of a core, to read as many documents 9. Only who writes all of an index can keep what it read of it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from sys import getsizeof
from typing import Generic, TypeVar

from attune.services.search.index.port import Document, SpaceVector

V = TypeVar("V")
_Key = tuple[str, str]
_ENTRY_BYTES = 300
"""Of a key and its place among the others."""
_PAIR_BYTES = 100
"""Of an attribute or a field, beside its name and value: its place in a mapping."""
_VECTOR_BYTES = 220
"""Of a vector, beside its values: the array, the bytes that it looks at, and the pair."""


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

    def forget(self, tenant: str, ids: Collection[str]) -> None:
        """Documents that were written, or may have been."""
        with self._changing:
            self._writes += 1
            for each in ids:
                if (gone := self._kept.pop((tenant, each), None)) is not None:
                    self._bytes -= self._taken(each, gone)

    def _keep(self, tenant: str, fetched: Mapping[str, V], writes: int) -> None:
        with self._changing:
            if writes != self._writes:  # it may be of before the write
                return
            for each, value in fetched.items():
                taken = self._taken(each, value)
                if (tenant, each) not in self._kept and taken <= self._most_bytes:  # else another thread was quicker
                    self._kept[tenant, each] = value
                    self._bytes += taken
            while self._bytes > self._most_bytes:
                (_, gone), value = self._kept.popitem(last=False)
                self._bytes -= self._taken(gone, value)

    def _taken(self, document_id: str, value: V) -> int:
        return _ENTRY_BYTES + getsizeof(document_id) + self._size(value)


def kept_documents(most_bytes: int) -> KeptReads[Document]:
    """Of documents without their texts."""
    return KeptReads[Document](most_bytes, _document_bytes)


def kept_vectors(most_bytes: int) -> KeptReads[SpaceVector]:
    """Of their vectors."""
    return KeptReads[SpaceVector](most_bytes, _vector_bytes)


def _vector_bytes(kept: SpaceVector) -> int:
    return _VECTOR_BYTES + getsizeof(kept.space) + kept.vector.nbytes


def _document_bytes(document: Document) -> int:
    """A document is what its strings are, and some numbers."""
    words = [document.id, document.domain, document.url, document.language]
    lists: list[Sequence[object]] = [document.entity_ids, document.principals]
    pairs = [*document.attributes.items(), *document.fields.items()]
    for name, value in pairs:
        words.append(name)
        lists.append(value if isinstance(value, tuple) else (value,))
    parts = sum(getsizeof(each) for each in words) + sum(_list_bytes(each) for each in lists)
    return getsizeof(document) + parts + _PAIR_BYTES * len(pairs)


def _list_bytes(values: Sequence[object]) -> int:
    return getsizeof(values) + sum(getsizeof(each) for each in values)
