"""What a worker makes of a log, timed."""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.store_model import Applied
from attune.services.cli.measure.ingest.traffic import append, append_steadily, events
from attune.services.cli.measure.report import Row
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.metrics import Metrics

_POLL_S = 0.1
_MOST_LABELS = 5000


class Counting(IngestMetrics):
    """The worker's metrics, and beside them each batch and each event's time until it was visible."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.outcomes: dict[str, int] = {"dead_letters": 0}
        self.batch_sizes: list[int] = []
        self.visible_s: list[float] = []

    def applied(self, applied: Applied, dead_letters: int, logged_at: Sequence[datetime], now: datetime) -> None:
        """See IngestMetrics."""
        super().applied(applied, dead_letters, logged_at, now)
        for outcome in ("new", "duplicates", "forgotten", "withheld"):
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + getattr(applied, outcome)
        self.outcomes["dead_letters"] += dead_letters
        if logged_at:
            self.batch_sizes.append(len(logged_at))
        self.visible_s += [(now - moment).total_seconds() for moment in logged_at]


@dataclass
class Reading:
    """A log, a store, and the worker between them, which is in its group from the first use on."""

    config: Config
    knowledge: Knowledge
    source: Source
    store_engine: str
    counted: Counting = field(default_factory=Counting)

    @property
    def engines(self) -> str:
        """The log's and the store's."""
        return f"{'Kafka' if self.config.kafka_bootstrap_servers else 'the local log'} to {self.store_engine}"

    @cached_property
    def worker(self) -> IngestWorker:
        """Steps are made by who measures."""
        settings = IngestSettings.of(self.config)
        worker = IngestWorker(self.source, self.knowledge, system_clock, self.counted, settings)
        for _ in range(10):  # to be given partitions takes a group some polls
            worker.step(_POLL_S)
        return worker

    @cached_property
    def labels(self) -> list[str]:
        """What queries name."""
        return [entity.label for entity in self.knowledge.catalog][:_MOST_LABELS]

    def begin(self) -> None:
        """Count anew."""
        self.counted.batch_sizes.clear()
        self.counted.visible_s.clear()
        for outcome in self.counted.outcomes:
            self.counted.outcomes[outcome] = 0


def read_what_is_there(reading: Reading, number: int, users: int, seed: int) -> Row:
    """As many events as there are, read as fast as it goes: rates by the clock, and by what this process computed."""
    worker = reading.worker
    append(reading.source.log, events(reading.labels, users, number, seed))
    reading.begin()
    wall, computed, applied = time.perf_counter(), time.process_time(), 0
    while applied < number:
        applied += worker.step(_POLL_S)
    wall, computed = time.perf_counter() - wall, time.process_time() - computed
    return {
        "kind": "as fast as it goes",
        "engines": reading.engines,
        "events": number,
        "events_per_s": number / wall,
        "events_per_s_per_core": number / computed,
        "records_a_batch": float(np.mean(reading.counted.batch_sizes)),
    }


def read_at_rate(reading: Reading, rate: int, seconds: float, users: int, seed: int) -> Row:
    """Events that come steadily: how old they are when they are in the store, by the broker's clock and this one's."""
    worker, number = reading.worker, int(rate * seconds)
    arguments = (reading.config, reading.labels, users, rate, seconds, seed)
    feeding = multiprocessing.get_context("spawn").Process(target=append_steadily, args=arguments)
    reading.begin()
    feeding.start()
    wall, computed, applied = time.perf_counter(), time.process_time(), 0
    while applied < number and (feeding.is_alive() or feeding.exitcode == 0):
        applied += worker.step(_POLL_S)
    wall, computed = time.perf_counter() - wall, time.process_time() - computed
    feeding.join()
    p50, p95, p99 = np.percentile(reading.counted.visible_s, [50, 95, 99])
    return {
        "kind": "steady",
        "engines": reading.engines,
        "events": applied,
        "rate_per_s": rate,
        "busy_share": computed / wall,
        "records_a_batch": float(np.mean(reading.counted.batch_sizes)),
        "visible_p50_s": float(p50),
        "visible_p95_s": float(p95),
        "visible_p99_s": float(p99),
    }
