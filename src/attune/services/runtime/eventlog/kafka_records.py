"""Entries and records as Kafka has them.

In a topic that keeps every record until its key is redacted, Kafka's key is `key#digest of the value`, so that
compaction keeps them all, and takes one away when a record without value (a null) follows under the same key. The
partition is that of the key alone.
"""

import hashlib
import re
from typing import Any

from kafka.partitioner.default import murmur2

from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.eventlog.topics import Keeps, Topic

_DIGEST_BYTES = 16
_DIGEST = re.compile(rb"#[0-9a-f]{%d}\Z" % (2 * _DIGEST_BYTES))
_POSITIVE = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """As Kafka's Java client and kafka-python choose it, so that a user's events meet, whoever produces them."""
    return (int(murmur2(key)) & _POSITIVE) % partitions


def kafka_key(topic: Topic, key: bytes, value: bytes) -> bytes:
    """The key under which Kafka keeps an entry."""
    if topic.keeps is not Keeps.EVERY_RECORD:
        return key
    return key + b"#" + hashlib.blake2b(value, digest_size=_DIGEST_BYTES).hexdigest().encode()


def key_of(topic: Topic, kept: bytes) -> bytes:
    """The entry's key again."""
    return _DIGEST.sub(b"", kept) if topic.keeps is Keeps.EVERY_RECORD else kept


def to_record(topic: Topic, consumed: Any) -> Record | None:
    """A ConsumerRecord of kafka-python as the port has it; None where it has no value, which marks what is redacted."""
    if consumed.value is None:
        return None
    return Record(
        topic=consumed.topic,
        partition=consumed.partition,
        offset=consumed.offset,
        timestamp_ms=consumed.timestamp,
        key=key_of(topic, consumed.key or b""),
        value=consumed.value,
        headers=tuple((name, value or b"") for name, value in consumed.headers),
    )
