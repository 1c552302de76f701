"""Brokers that are killed and started again while others append: what was acknowledged is there, and there once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from tests.fakes.kafka import Cluster, cluster, missing, until

from attune.services.runtime.eventlog.errors import LogClosedError, LogUnavailableError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics
from attune.services.runtime.eventlog.port import Entry, Position
from attune.services.runtime.events import TOPIC
from attune.services.runtime.state_topics import every_record

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
    pytest.mark.timeout(400),
]


class Appending:
    """Threads that append entries numbered per thread, three at a time, until they are stopped."""

    def __init__(self, log: KafkaEventLog, threads: int) -> None:
        self.acknowledged: dict[bytes, Position] = {}
        self.errors: list[Exception] = []
        self._log = log
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._append, args=(number,)) for number in range(threads)]

    @contextmanager
    def running(self) -> Iterator["Appending"]:
        """Appending, and all of it acknowledged or failed at the end of the block."""
        for each in self._threads:
            each.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for each in self._threads:
                each.join()

    def more(self, count: int = 100) -> None:
        """Wait until so many more are acknowledged, or one failed."""
        enough = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= enough or bool(self.errors))

    def _append(self, thread: int) -> None:
        number = 0
        while not self._stopped.is_set():
            values = [b"%d/%d" % (thread, number + each) for each in range(3)]
            try:
                positions = self._log.append(TOPIC, [Entry(b"user %d" % thread, value) for value in values], NOW)
            except LogUnavailableError as error:
                self.errors.append(error)
                return
            self.acknowledged |= dict(zip(values, positions, strict=True))
            number += len(values)


def written(log: KafkaEventLog) -> dict[Position, bytes]:
    return {Position(each.topic, each.partition, each.offset): each.value for each in every_record(log, TOPIC)}


def assert_all_is_there_once(log: KafkaEventLog, appending: Appending) -> None:
    assert appending.errors == []
    there = written(log)
    assert {value: position for position, value in there.items()} == appending.acknowledged
    assert len(there) == len(appending.acknowledged)
    for thread in {value.split(b"/")[0] for value in appending.acknowledged}:
        numbers = [int(value.split(b"/")[1]) for value in there.values() if value.startswith(thread + b"/")]
        assert numbers == list(range(len(numbers)))  # in the order in which they were given


@pytest.fixture
def one_broker() -> Iterator[Cluster]:
    with cluster() as made:
        init_topics(KafkaConnection(made.servers), Wanted(partitions=2))
        yield made


def test_a_broker_that_dies_while_threads_append_loses_and_doubles_nothing(one_broker: Cluster) -> None:
    log, (broker,) = KafkaEventLog(KafkaConnection(one_broker.servers, patience_ms=90_000)), one_broker.brokers
    with Appending(log, threads=3).running() as appending:
        for _ in range(2):
            appending.more()
            broker.kill()
            broker.start()
            one_broker.wait()
        appending.more()
    assert_all_is_there_once(log, appending)
    log.close()


def test_a_broker_that_stays_away_is_an_error_in_time_and_what_comes_after_it_works(one_broker: Cluster) -> None:
    log, (broker,) = KafkaEventLog(KafkaConnection(one_broker.servers, patience_ms=2000)), one_broker.brokers
    log.append(TOPIC, [Entry(b"k", b"before")], NOW)
    broker.kill()
    calls = (
        lambda: log.append(TOPIC, [Entry(b"k", b"never acknowledged")], NOW),
        lambda: log.end_offset(TOPIC, 0),
        lambda: log.poll(TOPIC, 0, 0, 10, 1 << 20, timeout_s=0),
        lambda: log.poll(TOPIC, 0, 0, 10, 1 << 20, timeout_s=0.2),
    )
    for call in calls:
        with pytest.raises(LogUnavailableError, match="ATTUNE_KAFKA_BOOTSTRAP_SERVERS"):
            call()
    broker.start()
    one_broker.wait()
    (position,) = log.append(TOPIC, [Entry(b"k", b"after")], NOW)
    there = written(log)
    assert there[position] == b"after"
    assert [value for value in there.values() if value != b"never acknowledged"] == [b"before", b"after"]
    log.close()


def test_what_was_sent_and_never_acknowledged_does_not_hold_up_what_comes_after_it(one_broker: Cluster) -> None:
    log, (broker,) = KafkaEventLog(KafkaConnection(one_broker.servers, patience_ms=4000)), one_broker.brokers
    log.append(TOPIC, [Entry(b"k", b"before")], NOW)
    broker.pause()
    with pytest.raises(LogUnavailableError):
        log.append(TOPIC, [Entry(b"k", b"sent, and perhaps written later")], NOW)
    broker.resume()
    one_broker.wait()
    (position,) = log.append(TOPIC, [Entry(b"k", b"after")], NOW)
    assert written(log)[position] == b"after"
    log.close()


def test_a_log_is_closed_though_its_broker_is_away_and_an_append_waits(one_broker: Cluster) -> None:
    log, (broker,) = KafkaEventLog(KafkaConnection(one_broker.servers, patience_ms=4000)), one_broker.brokers
    log.append(TOPIC, [Entry(b"user 0", b"before")], NOW)  # the producer knows now where to send
    broker.kill()
    appending = Appending(log, threads=1)
    with appending.running():
        until(lambda: bool(log._sender._producer._accumulator.has_incomplete), limit_s=10)
        log.close()
    assert [type(error) for error in appending.errors] == [LogUnavailableError]
    with pytest.raises(LogClosedError):
        log.append(TOPIC, [Entry(b"k", b"v")], NOW)


def test_of_three_brokers_one_may_die_and_with_one_alone_nothing_is_acknowledged() -> None:
    with cluster(3) as made:
        patient = KafkaConnection(made.servers, patience_ms=90_000)
        reports = init_topics(patient, Wanted(partitions=3))
        assert {(each.found.replication, each.found.settings["min.insync.replicas"]) for each in reports} == {(3, "2")}
        log, hasty = KafkaEventLog(patient), KafkaEventLog(KafkaConnection(made.servers, patience_ms=6000))
        with Appending(log, threads=3).running() as appending:
            appending.more()
            made.brokers[0].kill()
            appending.more()
        assert_all_is_there_once(log, appending)
        made.brokers[1].kill()
        with pytest.raises(LogUnavailableError):
            hasty.append(TOPIC, [Entry(b"k", b"on one broker alone")], NOW)
        log.close()
        hasty.close()
