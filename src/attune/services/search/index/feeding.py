"""Documents of before, brought into a generation that is being built: what was written meanwhile is news, and stays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from attune.services.search.index.passages import Passages
from attune.services.search.index.port import NO_PASSAGES, FloatMatrix, IndexedDocument
from attune.services.search.index.qdrant import QdrantIndex

T = TypeVar("T")


class _Do(Protocol):
    def __call__(self, act: Callable[[QdrantIndex], T]) -> T: ...


class Feed:
    """`port.Target` for one generation. Raises GenerationError once it is not being built any more."""

    def __init__(self, do: _Do) -> None:
        self._do = do

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]:
        return self._do(lambda index: index.digests(tenant, ids))

    def overtaken(self, _tenant: str, _ids: Sequence[str]) -> frozenset[str]:
        return self._do(lambda index: index.written_live(_tenant, _ids))

    def upsert(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
    ) -> None:
        self._do(lambda index: index.feed(tenant, documents, vectors, passages))

    def confirm(self, tenant: str, documents: Sequence[IndexedDocument]) -> None:
        """Nothing to do: what is fed has no versions."""
