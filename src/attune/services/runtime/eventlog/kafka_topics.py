"""attune's topics in Kafka: made by the table in topics.py, looked at, and told apart from what is wanted."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from kafka import KafkaAdminClient, errors
from kafka.admin import ConfigResource

from attune.services.runtime.eventlog.errors import LogRefusedError, MissingTopicError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.topics import TOPICS, Keeps, Topic

BATCH_OVERHEAD = 64 * 1024
"""What Kafka adds to the bytes of an entry that is counted (61 a batch, some 20 a record, up to 10 a header): no entry
of a thousand headers is refused for them."""
_PARTITIONS = 12
_REPLICATION = 3
_RETENTION = timedelta(days=30)
_SHOWN_WITHIN_S = 30.0
_LOOK_AGAIN_S = 0.1
_DAY_MS = 24 * 60 * 60 * 1000
_MILLISECOND = timedelta(milliseconds=1)
_VITAL = ("cleanup.policy", "message.timestamp.type")


class Outcome(StrEnum):
    """What `init_topics` found of a topic."""

    MADE = "made"
    EXISTS = "exists"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How topics are to be; what is None is nobody's wish, and then as good as any."""

    partitions: int | None = None
    replication: int | None = None
    retention: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A topic that Kafka has. `settings` has the names and values of Kafka's documentation."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a topic; `differences` are (what, as it is, as it should be)."""

    topic: str
    outcome: Outcome
    found: Found
    differences: list[tuple[str, str, str]] = field(default_factory=list)


def init_topics(connection: KafkaConnection, wanted: Wanted) -> list[Report]:
    """Make the topics that are missing; those that exist are left as they are, and compared.

    Raises:
        LogUnavailableError, LogRefusedError: Kafka does not answer, or refuses.
    """
    admin = connection.client(KafkaAdminClient)
    try:
        with connection.errors_told():
            before = _found(admin, TOPICS)
            missing = [topic for name, topic in TOPICS.items() if name not in before]
            if missing:
                _make(admin, missing, wanted)
            now = before | _shown(admin, [each.name for each in missing])
        return [_report(topic, now[name], wanted, is_new=name not in before) for name, topic in TOPICS.items()]
    finally:
        admin.close()


def partitions_of_topics(connection: KafkaConnection) -> dict[str, int]:
    """How many partitions each of attune's topics has.

    Raises:
        MissingTopicError: one is not there.
        LogRefusedError: one would lose what it must keep, or is not dated by the brokers.
        LogUnavailableError: Kafka does not answer.
    """
    admin = connection.client(KafkaAdminClient)
    try:
        with connection.errors_told():
            found = _found(admin, TOPICS)
    finally:
        admin.close()
    missing = [name for name in TOPICS if name not in found]
    if missing:
        raise MissingTopicError(missing, connection.servers)
    for name, each in found.items():
        _require_vital(name, each)
    return {name: each.partitions for name, each in found.items()}


def settings_of(topic: Topic, replication: int, retention: timedelta = _RETENTION) -> dict[str, str]:
    """The settings of a topic in Kafka's words.

    Of three copies, two must have a record before it counts as written: one broker may be lost, in any state of the
    others. Brokers date the records, since a tombstone must not depend on a producer's clock. A segment is closed after
    a day, or a record would outlive its time by as long as its segment is open.
    """
    settings = {
        "max.message.bytes": str(topic.most_bytes + BATCH_OVERHEAD),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(2 if replication >= _REPLICATION else 1),
        "unclean.leader.election.enable": "false",
    }
    if topic.keeps is Keeps.FOR_A_TIME:
        kept_ms = (topic.kept_for or retention) // _MILLISECOND
        return settings | {
            "cleanup.policy": "delete",
            "retention.ms": str(kept_ms),
            "retention.bytes": "-1",
            "segment.ms": str(min(_DAY_MS, kept_ms)),
        }
    return settings | {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": str(_DAY_MS),
    }


def _make(admin: Any, topics: Iterable[Topic], wanted: Wanted) -> None:
    replication = wanted.replication or min(_REPLICATION, len(admin.describe_cluster()["brokers"]))
    plan = {
        each.name: {
            "num_partitions": _partitions(each, wanted) or _PARTITIONS,
            "replication_factor": replication,
            "configs": settings_of(each, replication, wanted.retention or _RETENTION),
        }
        for each in topics
    }
    answers = admin.create_topics(plan, raise_errors=False)["topics"]
    for each in answers:
        kind = errors.for_code(each["error_code"])
        if kind not in (errors.NoError, errors.TopicAlreadyExistsError):  # another process was first
            raise kind(f"{each['name']}: {each.get('error_message') or 'it cannot be made'}")
    admin.wait_for_topics(list(plan))


def _partitions(topic: Topic, wanted: Wanted) -> int | None:
    return wanted.partitions if topic.is_split else 1


def _shown(admin: Any, made: Collection[str]) -> dict[str, Found]:
    """What was made just now, once whichever broker is asked has heard of it."""
    deadline = time.monotonic() + _SHOWN_WITHIN_S
    while len(found := _found(admin, made)) < len(made):
        if time.monotonic() > deadline:
            raise errors.KafkaTimeoutError(f"topics were made, but are not shown: {sorted(set(made) - found.keys())}")
        time.sleep(_LOOK_AGAIN_S)
    return found


def _found(admin: Any, names: Iterable[str]) -> dict[str, Found]:
    described = {each["name"]: each for each in admin.describe_topics(list(names))} if names else {}
    there = {name: each for name, each in described.items() if _is_there(each)}
    if not there:
        return {}
    answers = admin.describe_configs([ConfigResource("TOPIC", name) for name in there], config_filter="all")["topic"]
    return {
        name: Found(
            partitions=len(each["partitions"]),
            replication=min(len(partition["replica_nodes"]) for partition in each["partitions"]),
            settings={setting: str(value["value"]) for setting, value in answers[name].items()},
        )
        for name, each in there.items()
    }


def _is_there(described: Mapping[str, Any]) -> bool:
    kind = errors.for_code(described["error_code"])
    if kind not in (errors.NoError, errors.UnknownTopicOrPartitionError):
        raise kind(str(described["name"]))
    return kind is errors.NoError


def _report(topic: Topic, found: Found, wanted: Wanted, *, is_new: bool) -> Report:
    if is_new:
        return Report(topic.name, Outcome.MADE, found)
    differences = list(_differences(topic, found, wanted))
    return Report(topic.name, Outcome.DIFFERS if differences else Outcome.EXISTS, found, differences)


def _differences(topic: Topic, found: Found, wanted: Wanted) -> Iterable[tuple[str, str, str]]:
    partitions, replication = _partitions(topic, wanted), wanted.replication
    if partitions not in (None, found.partitions):
        yield "partitions", str(found.partitions), str(partitions)
    if replication not in (None, found.replication):
        yield "replication", str(found.replication), str(replication)
    should = settings_of(topic, found.replication, wanted.retention or _RETENTION)
    if topic.kept_for is None and wanted.retention is None:
        should = {name: value for name, value in should.items() if name not in ("retention.ms", "segment.ms")}
    for name, value in should.items():
        if found.settings.get(name) != value:
            yield name, found.settings.get(name, "unset"), value


def _require_vital(name: str, found: Found) -> None:
    should = settings_of(TOPICS[name], found.replication)
    for setting in _VITAL:
        if found.settings.get(setting) != should[setting]:
            raise LogRefusedError(
                f"the topic {name} in Kafka has {setting}={found.settings.get(setting)}: alter it to {should[setting]} "
                "(kafka-configs.sh --alter), or what must be kept is lost; `attune events init` tells all that differs"
            )
