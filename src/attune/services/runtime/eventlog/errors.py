"""What goes wrong with an event log, each in one sentence with the mend."""

from collections.abc import Iterable
from pathlib import Path


class EventLogError(Exception):
    """The base of every error here."""


class LogClosedError(EventLogError):
    def __init__(self) -> None:
        super().__init__("the event log is closed; open it again before using it")


class InvalidTopicError(EventLogError):
    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r}: use 1 to 249 of the characters a-z A-Z 0-9 . _ - and not '.' or '..'")


class UnknownPartitionError(EventLogError):
    def __init__(self, topic: str, partition: int, count: int) -> None:
        super().__init__(f"topic {topic!r} has partitions 0 to {count - 1}, not {partition}")


class PartitionCountError(EventLogError):
    def __init__(self, directory: Path, found: int, wanted: int) -> None:
        super().__init__(
            f"{directory}: the topic has {found} partition(s) on disk and {wanted} in the configuration; "
            f"configure {found}, since another count would split the history of a key"
        )


class RecordTooLargeError(EventLogError):
    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"entry of {size} bytes (key, value and headers): the log takes at most {limit}; shorten it")


class OffsetOutOfRangeError(EventLogError):
    def __init__(self, topic: str, partition: int, offset: int, end: int) -> None:
        super().__init__(
            f"offset {offset} of topic {topic!r}, partition {partition}, is outside 0 to {end}: "
            "the reader's stored offset belongs to another log; reset it, or restore the log"
        )


class LogUnavailableError(EventLogError):
    """The engine does not answer. What was asked may be asked again; of what was to be written, some may be there."""


class LogRefusedError(EventLogError):
    """The engine answers, and does not do what was asked until somebody changes a setting, of either side."""


class MissingTopicError(LogRefusedError):
    def __init__(self, topics: Iterable[str], servers: str) -> None:
        super().__init__(
            f"Kafka at {servers} has no topic {', '.join(topics)}: make what is missing with `attune events init`"
        )


class LogCorruptedError(EventLogError):
    """A damaged record with intact data behind it: `path` and byte `position` say where."""

    def __init__(self, path: Path, position: int, reason: str) -> None:
        super().__init__(
            f"{path} is corrupted at byte {position}: {reason}; restore the file from a backup, "
            "or cut it at that byte and lose what follows"
        )
        self.path = path
        self.position = position
