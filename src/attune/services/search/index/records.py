"""What both Qdrant engines have in common of the records that they return and of how they are asked for vectors."""

from collections.abc import Callable
from typing import TypeVar, cast

from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import DENSE
from attune.services.search.index.settings import IndexSettings

P = TypeVar("P")


def dense_of(vectors: object) -> list[float]:
    """A record's vector; empty for what is no document."""
    return cast("list[float]", _named(vectors, DENSE))


def rows_of(vectors: object) -> list[list[float]]:
    """The vectors of a record's passages; none where it has no passages."""
    return cast("list[list[float]]", _named(vectors, PASSAGES))


def _named(vectors: object, name: str) -> object:
    return (vectors.get(name) if isinstance(vectors, dict) else None) or []


def search_params(params: Callable[..., P], quantization: Callable[..., object], settings: IndexSettings) -> P:
    """How vectors are searched, in the types of an engine."""
    quantized = quantization(rescore=True, oversampling=settings.oversampling) if settings.is_quantized else None
    return params(hnsw_ef=settings.search_width, quantization=quantized)
