"""Why events do not reach the store: told once, to whoever watches."""

import pytest

from attune.services.ingest.metrics import IngestMetrics
from attune.services.runtime.consuming.readiness import Readiness, Reason
from attune.services.runtime.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def readiness(metrics: Metrics) -> Readiness:
    return Readiness(IngestMetrics(metrics), "events do not reach the store")


def shown(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("attune_ingest_not_ready", {"reason": reason})


def test_changes_are_told_once_and_shown(metrics, readiness):
    told: list[bool] = []
    readiness.watch(told.append)
    readiness.set(None)
    readiness.set(Reason.FAILING, "the disk is full")
    readiness.set(Reason.FAILING, "the disk is full")
    assert (told, shown(metrics, "failing")) == ([False], 1)
    readiness.set(Reason.STOPPED, "poison")
    assert (shown(metrics, "failing"), shown(metrics, "stopped")) == (None, 1)
    readiness.set(None)
    assert (told, shown(metrics, "stopped"), readiness.reason) == ([False, False, True], None, None)


def test_who_comes_late_hears_what_is_wrong(readiness):
    readiness.set(Reason.FAILING, "no")
    told: list[bool] = []
    readiness.watch(told.append)
    assert told == [False]
