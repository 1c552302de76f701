"""What every reader of a topic does alike: it is told which partitions are its own, and reads on from where it says."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from tests.fakes.kafka import delete_topics, until

from attune.services.runtime.eventlog.consumer import Consumer, Source
from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_group import KafkaGroupConsumer
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import TOPIC

NOW = datetime(2026, 11, 3, tzinfo=UTC)
PARTITIONS = 3
POLL_S = 0.05


class Reader:
    """An owner that reads from the offsets that it is given here, and keeps what it hears."""

    def __init__(self, offsets: Mapping[int, int] | None = None) -> None:
        self.offsets = dict(offsets or {})
        self.held: set[int] = set()
        self.refuses = False

    def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        if self.refuses:
            raise ConnectionError("the store is down")
        self.held |= set(partitions)
        return {each: self.offsets.get(each, 0) for each in partitions}

    def revoked(self, partitions: Collection[int]) -> None:
        self.held -= set(partitions)


@pytest.fixture(params=["local", "kafka"])
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    """A log of three partitions, and its readers."""
    if request.param == "local":
        log = LocalEventLog(request.getfixturevalue("tmp_path") / "log", PARTITIONS)
        yield Source.local(log)
        log.close()
    else:
        yield from kafka_source(request.getfixturevalue("kafka_servers"))


@pytest.fixture
def group(kafka_servers: str) -> Iterator[Source]:
    """The same in Kafka, where a group may have several members."""
    yield from kafka_source(kafka_servers)


def kafka_source(servers: str) -> Iterator[Source]:
    connection, name = KafkaConnection(servers), uuid4().hex
    delete_topics(servers)
    init_topics(connection, Wanted(PARTITIONS))
    log = KafkaEventLog(connection)
    yield Source(log, lambda topic, owner: KafkaGroupConsumer(connection, name, topic, owner))
    log.close()


@pytest.fixture
def join() -> Iterator[Callable[[Source, Reader], Consumer]]:
    """A new member of the source's group, until the test's end."""
    joined: list[Consumer] = []

    def one(source: Source, reader: Reader) -> Consumer:
        joined.append(source.consumer(TOPIC, reader))
        return joined[-1]

    yield one
    for each in joined:
        each.close()


Join = Callable[[Source, Reader], Consumer]


def append(source: Source, count: int, first: int = 0) -> dict[int, list[bytes]]:
    """So many entries of different keys; their values by partition."""
    values = [b"%d" % number for number in range(first, first + count)]
    positions = source.log.append(TOPIC, [Entry(b"user-" + each, each) for each in values], NOW)
    found: dict[int, list[bytes]] = {}
    for value, position in zip(values, positions, strict=True):
        found.setdefault(position.partition, []).append(value)
    return found


def read(consumer: Consumer, expected: Mapping[int, list[bytes]]) -> dict[int, list[bytes]]:
    """What a consumer hands out, until as much came as is expected."""
    found: dict[int, list[bytes]] = {}

    def enough() -> bool:
        for partition, records in consumer.poll(POLL_S).items():
            found.setdefault(partition, []).extend(each.value for each in records)
        return sum(map(len, found.values())) >= sum(map(len, expected.values()))

    until(enough)
    return found


def test_all_of_every_partition_comes_once_and_in_order(source: Source, join: Join) -> None:
    reader = Reader()
    consumer = join(source, reader)
    expected = append(source, 100)
    assert read(consumer, expected) == expected
    assert reader.held == set(range(PARTITIONS))
    assert consumer.poll(POLL_S) == {}
    more = append(source, 50, first=100)
    assert read(consumer, more) == more


def test_a_partition_is_read_from_where_its_owner_says(source: Source, join: Join) -> None:
    expected = append(source, 60)
    consumer = join(source, Reader(dict.fromkeys(range(PARTITIONS), 2)))
    rest = {partition: values[2:] for partition, values in expected.items()}
    assert read(consumer, rest) == rest
    for partition, values in expected.items():
        assert consumer.position(partition) == consumer.end(partition) == len(values)


def test_what_is_paused_waits(source: Source, join: Join) -> None:
    consumer = join(source, Reader())
    first = append(source, 30)
    read(consumer, first)
    consumer.pause([0])
    more = append(source, 60, first=30)
    others = {partition: values for partition, values in more.items() if partition}
    assert read(consumer, others) == others
    assert consumer.poll(POLL_S) == {}
    consumer.resume(range(PARTITIONS))
    assert read(consumer, {0: more[0]}) == {0: more[0]}


def test_an_owner_that_fails_is_asked_again_and_nothing_is_handed_out_before(source: Source, join: Join) -> None:
    expected = append(source, 30)
    reader = Reader()
    reader.refuses = True
    consumer = join(source, reader)

    def was_asked() -> bool:
        try:
            assert consumer.poll(POLL_S) == {}
        except ConnectionError:
            return True
        return False

    until(was_asked)
    until(was_asked)
    reader.refuses = False
    assert read(consumer, expected) == expected


def test_an_offset_that_the_log_has_not_is_refused(source: Source, join: Join) -> None:
    append(source, 30)
    consumer = join(source, Reader({0: 10_000}))
    with pytest.raises(OffsetOutOfRangeError):
        until(lambda: consumer.poll(POLL_S) is None)


def test_members_share_the_partitions_and_take_over_from_who_leaves(group: Source, join: Join) -> None:
    first, second = Reader(), Reader()
    one = join(group, first)
    until(lambda: one.poll(POLL_S) == {} and first.held == set(range(PARTITIONS)))
    other = join(group, second)

    def shared() -> bool:
        one.poll(POLL_S)
        other.poll(POLL_S)
        return bool(second.held) and not first.held & second.held and len(first.held | second.held) == PARTITIONS

    until(shared)
    kept = set(first.held)
    assert kept
    second.offsets = dict.fromkeys(range(PARTITIONS), 0)
    one.close()
    until(lambda: other.poll(POLL_S) is not None and second.held == set(range(PARTITIONS)))
    assert first.held == set()
    expected = append(group, 40)
    assert read(other, expected) == expected


def test_what_was_committed_is_for_who_watches_and_never_read(group: Source, join: Join) -> None:
    expected = append(group, 30)
    consumer = join(group, Reader())
    assert read(consumer, expected) == expected
    consumer.commit({partition: len(values) for partition, values in expected.items()})
    consumer.poll(POLL_S)
    consumer.close()
    assert read(join(group, Reader()), expected) == expected
