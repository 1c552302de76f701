"""What an operator may set of the engines: how graphs are built and searched, and how a cluster keeps its data."""

from dataclasses import dataclass
from typing import Self

from attune.services.runtime.config import Config


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Those of searches count at once; those of graphs for the next one that the embedded engine builds, and for the
    next collection that is made on a server.
    """

    links: int = 16
    """HNSW's m: of each document, within its tenant."""
    build_width: int = 100
    """HNSW's ef_construct."""
    search_width: int = 128
    """HNSW's ef: at least as many candidates are looked at."""
    scanned_kib: int = 20 * 1024
    """Of the embedded engine: vectors that are scanned, exactly, rather than put into a graph."""
    scanned_anyway_kib: int = 10_000
    """Where so few vectors are in question, by tenant and filter, they are scanned though there is a graph."""
    is_quantized: bool = True
    """Vectors also as int8, which are searched; what is found is scored again by the vectors themselves."""
    oversampling: float = 2.0
    """How many times the limit is found by int8 vectors."""
    kept_bytes: int = 64 << 20
    """Of the embedded engine: what was lately read of documents, in memory. 0: nothing."""
    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None
    """Of a cluster. None: as the server thinks."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured."""
        return cls(
            links=config.index_hnsw_m,
            build_width=config.index_hnsw_ef_construct,
            search_width=config.index_hnsw_ef,
            scanned_kib=config.index_scanned_mib * 1024,
            is_quantized=config.index_quantization == "int8",
            oversampling=config.index_oversampling,
            kept_bytes=config.index_kept_mib << 20,
            shards=config.qdrant_shards,
            replicas=config.qdrant_replicas,
            write_consistency=config.qdrant_write_consistency,
        )


DEFAULT_SETTINGS = IndexSettings()
