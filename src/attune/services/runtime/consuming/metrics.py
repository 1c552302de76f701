"""What every worker that applies a topic counts."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Gauge, Histogram

from attune.services.runtime.metrics import Metrics

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class ConsumingMetrics:
    """Batches, how old records are when they can be seen, lag, and readiness."""

    def __init__(self, metrics: Metrics, prefix: str) -> None:
        """The names of the metrics begin with `prefix`."""
        registry = metrics.registry
        self.batches = Histogram(
            f"{prefix}_batch_records", "Records of the log applied at once.", buckets=_RECORDS, registry=registry
        )
        self.visible = Histogram(
            f"{prefix}_visible_seconds",
            "From when the log took a record until it is applied.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.lag = Gauge(
            f"{prefix}_lag_records", "Records of the log not applied yet.", ["partition"], registry=registry
        )
        self.not_ready = Gauge(
            f"{prefix}_not_ready", "1 for why records are not applied now.", ["reason"], registry=registry
        )

    def batch(self, logged_at: Sequence[datetime], now: datetime) -> None:
        """Records that the log took then are applied now."""
        if logged_at:
            self.batches.observe(len(logged_at))
        for moment in logged_at:
            self.visible.observe(max(0.0, (now - moment).total_seconds()))
