"""What the topics beside the events have in common: what users want gone, what they allow, what documents are about.

A store reads them before it applies any event, each record once, and keeps in its positions how far it has read.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.store import Store
from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.port import Entry, EventLog, LogReader, Record
from attune.services.runtime.events import log_key

_MOST_RECORDS = 500
_MOST_BYTES = 4 << 20


def append_of_user(event_log: EventLog, topic: str, user: UserKey, message: Message, at: datetime) -> None:
    """Make a message about a user durable in the log, as a CloudEvent in binary mode under the key of their events."""
    event_log.append(topic, [entry_of(log_key(user), message, at)], at)


def entry_of(key: bytes, message: Message, at: datetime) -> Entry:
    """A message as a CloudEvent in binary mode."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", key + f"/{at.isoformat()}".encode()),
        ("ce_type", message.DESCRIPTOR.full_name.encode()),
        ("ce_source", b"attune/knowledge"),
        ("content-type", b"application/protobuf"),
    )
    return Entry(key, message.SerializeToString(), headers)


def read_on(
    event_log: LogReader, store: Store, topic: str, take: Callable[[Sequence[Record], LogPosition], None]
) -> None:
    """Hand over what the store has not read of a topic yet; `take` must move the store's position."""
    for partition in range(event_log.partition_count(topic)):
        end = event_log.end_offset(topic, partition)
        while (offset := store.position(topic, partition)) < end:
            records, next_offset = _stretch(event_log, topic, partition, offset, end)
            take(records, LogPosition(topic, partition, next_offset))


def every_record(event_log: LogReader, topic: str) -> Iterator[Record]:
    """All that a topic holds by now, partition by partition."""
    for partition in range(event_log.partition_count(topic)):
        offset, end = 0, event_log.end_offset(topic, partition)
        while offset < end:
            records, offset = _stretch(event_log, topic, partition, offset, end)
            yield from records


def _stretch(event_log: LogReader, topic: str, partition: int, offset: int, end: int) -> tuple[list[Record], int]:
    """The next records, and the offset behind them."""
    records = event_log.poll(topic, partition, offset, _MOST_RECORDS, _MOST_BYTES, 0)
    return records, records[-1].offset + 1 if records else end  # no records: all from here on was redacted


def unreadable(record: Record, what: str) -> ConfigError:
    """The error of a record that is not what its topic holds. None is passed over: a user's will may be in it."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    return ConfigError(
        f"{place} in the event log is no {what} that this version can read: "
        "upgrade attune, or restore the topic from a backup"
    )


def timestamp(moment: datetime) -> Timestamp:
    """A moment as a message, to the microsecond."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made
