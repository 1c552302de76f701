"""What is counted of documents from the log."""

from prometheus_client import Counter

from attune.services.runtime.consuming.metrics import ConsumingMetrics
from attune.services.runtime.metrics import Metrics


class DocumentLogMetrics(ConsumingMetrics):
    """What became of the records, beside what every worker counts."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics, "attune_document_log")
        self.records = Counter(
            "attune_document_log_records",
            "Records of the documents topic that were applied.",
            ["outcome"],
            registry=metrics.registry,
        )
