"""The embedded event log: segment files in a directory, the stand-in for Apache Kafka on one machine.

    ROOT/<topic>/<partition>/00000000000000000000.log   records, see framing.py
    ROOT/<topic>/<partition>/lock                       taken by writers, and briefly by readers

Any number of processes may write and read it at once. It keeps everything: there is no retention.
"""

import shutil
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attune.services.runtime.eventlog.errors import LogClosedError, PartitionCountError, UnknownPartitionError
from attune.services.runtime.eventlog.framing import check_size
from attune.services.runtime.eventlog.names import check_topic_name
from attune.services.runtime.eventlog.partition_reader import PartitionReader
from attune.services.runtime.eventlog.partition_writer import PartitionWriter, sync_directory
from attune.services.runtime.eventlog.port import Entry, Erasure, Position, Record, epoch_ms
from attune.services.runtime.eventlog.redaction import redact_key

SEGMENT_BYTES = 64 * 1024 * 1024
_LOOK_AGAIN_S = 0.02


class LocalEventLog:
    """An `EventLog` in the directory `root`, which is created when first written to."""

    def __init__(self, root: Path, partitions: int = 1, segment_bytes: int = SEGMENT_BYTES) -> None:
        """`partitions` per topic, fixed by its first write; a segment file is rolled at `segment_bytes`."""
        if partitions < 1:
            raise ValueError(f"partitions is {partitions}; a topic needs at least 1")
        self._root = root
        self._partitions = partitions
        self._segment_bytes = segment_bytes
        self._writers: dict[tuple[str, int], PartitionWriter] = {}
        self._readers: dict[tuple[str, int], PartitionReader] = {}
        self._closed = threading.Event()

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """See `LogWriter.append`; one fsync per partition touched."""
        self._require_open()
        for entry in entries:
            check_size(entry)
        timestamp_ms = epoch_ms(now)
        self._create_topic(topic)
        by_partition: dict[int, list[int]] = {}
        for number, entry in enumerate(entries):
            by_partition.setdefault(self._partition_of(entry.key), []).append(number)
        positions: dict[int, Position] = {}
        for partition, numbers in sorted(by_partition.items()):
            first = self._writer(topic, partition).append([entries[number] for number in numbers], timestamp_ms)
            for offset, number in enumerate(numbers, start=first):
                positions[number] = Position(topic, partition, offset)
        return [positions[number] for number in range(len(entries))]

    def poll(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int, timeout_s: float
    ) -> list[Record]:
        """See `LogReader.poll`; new records are seen within 20 ms."""
        self._require_open()
        reader = self._reader(topic, partition)
        # A duration, not a time of day: nothing that is stored or ranked depends on it.
        deadline = time.monotonic() + timeout_s
        while True:
            mark = reader.growth_mark()
            records = reader.read(offset, max_records, max_bytes)
            if records or not self._wait_for_growth(reader, mark, deadline):
                return records

    def end_offset(self, topic: str, partition: int) -> int:
        self._require_open()
        return self._reader(topic, partition).end_offset()

    def partition_count(self, topic: str) -> int:
        self._check_topic(topic)
        return self._partitions

    def erasure(self, topic: str) -> Erasure:
        """At once, in every topic."""
        self._check_topic(topic)
        return Erasure.AT_ONCE

    def redact(self, topic: str, key: bytes) -> int:
        """See `EventLog.redact`; reads every record of the key's partition."""
        self._require_open()
        self._check_topic(topic)
        directory = self._directory(topic, self._partition_of(key))
        return redact_key(directory, key) if directory.exists() else 0

    def close(self) -> None:
        self._closed.set()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise LogClosedError

    def _wait_for_growth(self, reader: PartitionReader, mark: tuple[str, int], deadline: float) -> bool:
        while reader.growth_mark() == mark:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self._closed.wait(min(_LOOK_AGAIN_S, remaining)):
                return False
        return True

    def _partition_of(self, key: bytes) -> int:
        """crc32 of the key, which is librdkafka's `consistent` partitioner."""
        return zlib.crc32(key) % self._partitions

    def _directory(self, topic: str, partition: int) -> Path:
        return self._root / topic / str(partition)

    def _writer(self, topic: str, partition: int) -> PartitionWriter:
        writer = PartitionWriter(self._directory(topic, partition), self._segment_bytes)
        return self._writers.setdefault((topic, partition), writer)

    def _reader(self, topic: str, partition: int) -> PartitionReader:
        self._check_topic(topic)
        if not 0 <= partition < self._partitions:
            raise UnknownPartitionError(topic, partition, self._partitions)
        reader = PartitionReader(topic, partition, self._directory(topic, partition))
        return self._readers.setdefault((topic, partition), reader)

    def _check_topic(self, topic: str) -> None:
        """Raise for a name that Kafka would refuse, and for a topic on disk with another number of partitions."""
        check_topic_name(topic)
        directory = self._root / topic
        found = sum(1 for _ in directory.iterdir()) if directory.exists() else self._partitions
        if found != self._partitions:
            raise PartitionCountError(directory, found, self._partitions)

    def _create_topic(self, topic: str) -> None:
        """Make the topic with all its partitions, at one stroke, so that no other process sees half of it."""
        self._check_topic(topic)
        directory = self._root / topic
        if directory.exists():
            return
        self._root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
        for partition in range(self._partitions):
            (draft / str(partition)).mkdir()
        sync_directory(draft)
        try:
            draft.rename(directory)
        except OSError:
            shutil.rmtree(draft)
            if not directory.exists():
                raise
            self._check_topic(topic)  # another process was first
        sync_directory(self._root)
