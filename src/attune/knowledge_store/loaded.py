"""A catalog with what is computed from it, to be replaced as one."""

from dataclasses import dataclass
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
    def of(cls, catalog: Catalog) -> Self:
        """With its graph and linker, which takes longer than reading it."""
        graph = CatalogGraph(catalog)
        return cls(catalog, graph, Linker(catalog, graph))
