"""What the ingest worker counts."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from attune.knowledge_store.store_model import Applied
from attune.services.runtime.metrics import Metrics

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class IngestMetrics:
    """Throughput, batches, how old events are when they can be seen, what was set aside, lag, and readiness."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.events = Counter(
            "attune_ingest_events", "Interaction events read from the log.", ["outcome"], registry=registry
        )
        self.batches = Histogram(
            "attune_ingest_batch_records", "Records of the log applied at once.", buckets=_RECORDS, registry=registry
        )
        self.visible = Histogram(
            "attune_ingest_visible_seconds",
            "From when the log took a record until the store has it.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.lag = Gauge(
            "attune_ingest_lag_records", "Records of the log not applied yet.", ["partition"], registry=registry
        )
        self.not_ready = Gauge(
            "attune_ingest_not_ready", "1 for why events are not applied now.", ["reason"], registry=registry
        )

    def applied(self, applied: Applied, dead_letters: int, logged_at: Sequence[datetime], now: datetime) -> None:
        """A batch is in the store."""
        for outcome in ("new", "duplicates", "forgotten", "withheld"):
            self.events.labels(outcome).inc(getattr(applied, outcome))
        self.events.labels("dead_letter").inc(dead_letters)
        if logged_at:
            self.batches.observe(len(logged_at))
        for moment in logged_at:
            self.visible.observe(max(0.0, (now - moment).total_seconds()))
