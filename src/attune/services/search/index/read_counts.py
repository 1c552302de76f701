"""From where ranking had what it read of documents: who runs the index sees whether its forward index does its work."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from prometheus_client import Counter

from attune.services.runtime.metrics import Metrics


class Part(StrEnum):
    """What was read of a document."""

    PAYLOAD = "payload"
    VECTOR = "vector"


class Origin(StrEnum):
    """Who had it. What memory had of it is not counted."""

    FORWARD_INDEX = "forward_index"
    ENGINE = "engine"


CountReads: TypeAlias = Callable[[Part, Origin, int], None]
"""Hears of how many documents what was read from where."""


def count_nothing(_part: Part, _origin: Origin, _documents: int) -> None:
    """Where there are no metrics."""


def counting_reads(metrics: Metrics) -> CountReads:
    """Into the metrics of a process. To be called once for each."""
    counter = Counter(
        "attune_index_ranking_reads",
        "Documents of which ranking read a part, by where that was.",
        ["part", "origin"],
        registry=metrics.registry,
    )

    def count(part: Part, origin: Origin, documents: int) -> None:
        counter.labels(part, origin).inc(documents)

    return count
