"""What schedules share: it is slow to make, and keeps nothing of one schedule for the next."""

from tests.simulation.faults import SimulatedStore
from tests.simulation.traffic import CATALOG

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.store import Store
from attune.services.ingest.metrics import IngestMetrics
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.validation import Validation


class Engine:
    """The store, which each schedule empties first, and what stands around it."""

    def __init__(self, store: SimulatedStore) -> None:
        self.store = store
        self.catalog = Catalog.load(CATALOG)
        self.graph = CatalogGraph(self.catalog)
        self.linker = Linker(self.catalog, self.graph)
        self.metrics = IngestMetrics(Metrics())
        self.validation = Validation()

    def knowledge(self, store: Store) -> Knowledge:
        """The library over a store."""
        return Knowledge(self.catalog, self.graph, self.linker, store)
