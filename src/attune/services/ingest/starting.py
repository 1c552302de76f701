"""Where in the log a replay begins: at its beginning, at offsets, or at a time."""

from collections.abc import Sequence
from datetime import datetime

from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.port import LogReader
from attune.services.runtime.events import TOPIC, logged_at

_ENOUGH_BYTES = 1


def require_events(event_log: LogReader, where: str) -> None:
    """Raises ConfigError for a log in which there never was an event."""
    if not any(event_log.end_offset(TOPIC, each) for each in range(event_log.partition_count(TOPIC))):
        raise ConfigError(
            f"the event log {where} has no events: name the log of the services, or give a file of history with --file"
        )


def from_beginning(event_log: LogReader) -> dict[int, int]:
    """Offset 0 of each partition."""
    return dict.fromkeys(range(event_log.partition_count(TOPIC)), 0)


def from_end(event_log: LogReader) -> dict[int, int]:
    """Behind all that there is now."""
    return {each: event_log.end_offset(TOPIC, each) for each in range(event_log.partition_count(TOPIC))}


def from_offsets(event_log: LogReader, given: Sequence[str]) -> dict[int, int]:
    """PARTITION:OFFSET of some partitions; the others begin at the beginning.

    Raises:
        ConfigError: one is no such pair, is named twice, or is not in the log.
    """
    starts = from_beginning(event_log)
    seen: set[int] = set()
    for each in given:
        partition, offset = _parsed(each)
        if partition not in starts:
            raise ConfigError(
                f"--from-offset {each}: {TOPIC} has the partitions 0 to {len(starts) - 1}: name one of them"
            )
        if partition in seen:
            raise ConfigError(f"--from-offset {each}: partition {partition} is named twice: name it once")
        end = event_log.end_offset(TOPIC, partition)
        if offset > end:
            raise ConfigError(
                f"--from-offset {each}: partition {partition} of {TOPIC} ends at {end}: name an offset up to that"
            )
        seen.add(partition)
        starts[partition] = offset
    return starts


def from_time(event_log: LogReader, moment: datetime, now: datetime) -> dict[int, int]:
    """The first record of each partition that the log took at that moment or later.

    Raises:
        ConfigError: the moment is in the future.
    """
    if moment > now:
        raise ConfigError(f"--from-time {moment.isoformat()} is in the future: name a time that has been")
    return {each: _offset_at(event_log, each, moment) for each in range(event_log.partition_count(TOPIC))}


def _parsed(given: str) -> tuple[int, int]:
    partition, _, offset = given.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise ConfigError(f"--from-offset {given}: write PARTITION:OFFSET, two numbers, such as 0:1500")
    return int(partition), int(offset)


def _offset_at(event_log: LogReader, partition: int, moment: datetime) -> int:
    """By halves: a log is in order of time, but for clocks of several writers that differ."""
    low, high = 0, event_log.end_offset(TOPIC, partition)
    while low < high:
        middle = (low + high) // 2
        found = event_log.poll(TOPIC, partition, middle, 1, _ENOUGH_BYTES, 0)
        if found and logged_at(found[0]) < moment:
            low = found[0].offset + 1
        else:
            high = middle
    return low
