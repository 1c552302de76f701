"""Collections of passages, as the experts of domains see them: what augmenters are made of, and judged by."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.embedder import Embedder
from attune.embeddings.items import Role
from attune.embeddings.stored_vectors import StoredVectors
from attune.embeddings.training.frozen import FrozenBackbone
from attune.embeddings.training.pairs import TrainingDataError

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""
_FEWEST_PASSAGES = 10
_BATCH = 256
_KEPT_BYTE = 51  # of 256


@dataclass(frozen=True)
class Collection:
    """Passages that are searched together, and people's queries for them, with grades by the passages' places."""

    name: str
    passages: Sequence[str]
    queries: Sequence[tuple[str, Mapping[int, int]]] = ()
    people_only: bool = False
    """Whether only people's queries are learned from: where passages are answers, of no collection."""

    @property
    def taught(self) -> list[tuple[str, Mapping[int, int]]]:
        """The queries to learn from: those that are not kept back to judge by."""
        return [query for query in self.queries if not _is_kept(query[0])]

    @property
    def kept(self) -> list[tuple[str, Mapping[int, int]]]:
        """The queries to judge by what was learned from the others: a fifth, always the same."""
        return [query for query in self.queries if _is_kept(query[0])]


@dataclass(frozen=True)
class Views:
    """One domain's expert, frozen: passages and queries to vectors and tokens."""

    passages: FrozenBackbone
    queries: FrozenBackbone

    @classmethod
    def of(cls, embedder: Embedder, domain: str, stored: StoredVectors) -> "Views":
        """As the domain's expert sees them."""
        return cls(
            FrozenBackbone(embedder, domain, Role.PASSAGE, stored),
            FrozenBackbone(embedder, domain, Role.QUERY, stored),
        )


@dataclass(frozen=True)
class Source:
    """A collection as a domain's expert sees it: the vectors [n, d] of its passages, and their tokens."""

    views: Views
    collection: Collection
    vectors: NDArray[np.float32] = field(repr=False)
    tokens: Sequence[Sequence[int]] = field(repr=False)


def check_passages(collections: Sequence[Collection]) -> None:
    """Raises `TrainingDataError` for a collection of too few passages."""
    for collection in collections:
        if len(collection.passages) < _FEWEST_PASSAGES:
            raise TrainingDataError(
                f"{collection.name}: {len(collection.passages)} passages: at least {_FEWEST_PASSAGES} are needed"
            )


def read_sources(
    embedder: Embedder, domain: str, collections: Sequence[Collection], stored: StoredVectors, tell: Tell
) -> list[Source]:
    """Each collection, seen by the domain's expert; what takes long is done here, and `stored` now and then.

    Raises `TrainingDataError` for a collection of too few passages, `UnknownDomainError` for a domain, `TextError` for
    a passage without tokens.
    """
    check_passages(collections)
    embedder.domains.route(domain)
    total = sum(len(collection.passages) for collection in collections)
    views = Views.of(embedder, domain, stored)
    found: list[Source] = []
    done = 0
    for collection in collections:
        parts = []
        for start in range(0, len(collection.passages), _BATCH):
            parts.append(views.passages(collection.passages[start : start + _BATCH]))
            done += len(parts[-1])
            tell("reading passages", done, total)
        stored.save()
        tokens = views.passages.tokens(collection.passages)
        found.append(Source(views, collection, np.concatenate(parts), tokens))
    return found


def _is_kept(text: str) -> bool:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] < _KEPT_BYTE
