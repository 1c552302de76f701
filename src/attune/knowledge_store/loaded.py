"""A catalog with what is computed from it, to be replaced as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.linking import Linker


@dataclass(frozen=True, slots=True)
class LoadedCatalog:
    """One version of a catalog, its graph and its linker. Immutable: who holds one sees no other version."""

    catalog: Catalog
    graph: CatalogGraph
    linker: Linker

    @classmethod
    def load(cls, source: Path | str | Iterable[str]) -> Self:
        """Reads a JSONL file (a path), or its lines. Raises CatalogError."""
        catalog = Catalog.load(source)
        graph = CatalogGraph(catalog)
        return cls(catalog, graph, Linker(catalog, graph))
