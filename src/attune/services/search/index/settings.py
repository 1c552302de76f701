"""What an operator may set of the engines: how graphs are built and searched, and how a cluster keeps its data."""

from dataclasses import dataclass
from typing import Self

from attune.services.runtime.config import Config


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Those that say how a generation is made count for the next one that is made; those of searches at once."""

    links: int = 16
    """HNSW's m: of each document, within its tenant."""
    build_width: int = 100
    """HNSW's ef_construct."""
    search_width: int = 128
    """HNSW's ef: at least as many candidates are looked at."""
    scanned_mib: int = 200
    """Of the embedded engine: vectors that are scanned, exactly, rather than put into a graph."""
    is_quantized: bool = False
    """Vectors also as int8, which are searched; what is found is scored again by the vectors themselves."""
    oversampling: float = 2.0
    """How many times the limit is found by int8 vectors."""
    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None
    """Of a cluster. None: as the server thinks."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured."""
        return cls(
            config.index_hnsw_m,
            config.index_hnsw_ef_construct,
            config.index_hnsw_ef,
            config.index_scanned_mib,
            config.index_quantization == "int8",
            config.index_oversampling,
            config.qdrant_shards,
            config.qdrant_replicas,
            config.qdrant_write_consistency,
        )


DEFAULT_SETTINGS = IndexSettings()
