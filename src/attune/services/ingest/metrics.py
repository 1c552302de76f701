"""What the ingest worker counts."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter

from attune.knowledge_store.store_model import Applied
from attune.services.runtime.consuming.metrics import ConsumingMetrics
from attune.services.runtime.metrics import Metrics


class IngestMetrics(ConsumingMetrics):
    """Throughput, and what was set aside, beside what every worker counts."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics, "attune_ingest")
        self.events = Counter(
            "attune_ingest_events", "Interaction events read from the log.", ["outcome"], registry=metrics.registry
        )

    def applied(self, applied: Applied, dead_letters: int, logged_at: Sequence[datetime], now: datetime) -> None:
        """A batch is in the store."""
        for outcome in ("new", "duplicates", "forgotten", "withheld"):
            self.events.labels(outcome).inc(getattr(applied, outcome))
        self.events.labels("dead_letter").inc(dead_letters)
        self.batch(logged_at, now)
