"""A member of a Kafka consumer group: partitions come and go, and each is read from where its owner says.

Partitions move one by one (KIP-429): the others are read on while the group rebalances. What Kafka remembers of a group
is never read, so that an owner's offsets are the only ones that count.
"""

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from attune.services.runtime.eventlog.consumer import MOST_BYTES, MOST_RECORDS, Owner
from attune.services.runtime.eventlog.errors import MissingTopicError, OffsetOutOfRangeError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_reader import READING
from attune.services.runtime.eventlog.kafka_records import to_record
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.eventlog.topics import TOPICS

_log = structlog.get_logger("attune.eventlog.kafka")
_SESSION_MS = 10_000
_HEARTBEATS = 3
"""In a session."""
_LEAVING_MS = 3_000
_PROGRESS_MS = 300_000
"""A member that lives and does not poll is taken for hung after this."""


class KafkaGroupConsumer:
    """A `Consumer` of a topic in Kafka."""

    def __init__(
        self, connection: KafkaConnection, group: str, topic: str, owner: Owner, session_ms: int = _SESSION_MS
    ) -> None:
        """The group misses a member that gives no sign of life for `session_ms` milliseconds.

        Raises LogUnavailableError, LogRefusedError, MissingTopicError.
        """
        self._connection = connection
        self._topic = topic
        self._owner = owner
        self._unclaimed: set[int] = set()
        self._client = connection.client(
            KafkaConsumer,
            group_id=group,
            partition_assignment_strategy=(CooperativeStickyAssignor,),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // _HEARTBEATS,
            max_poll_interval_ms=_PROGRESS_MS,
            fetch_max_bytes=MOST_BYTES,
            **READING,
        )
        with connection.errors_told():
            # Or the first assignment may be of no partitions: whoever leads the group does not notice what it learns
            # of the topic while it assigns (kafka-python 3.0.12), and looks again in minutes only.
            if not self._client.partitions_for_topic(topic):
                raise MissingTopicError([topic], connection.servers)
        self._client.subscribe([topic], listener=_Listener(self._given, self._taken))

    def poll(self, timeout_s: float) -> dict[int, list[Record]]:
        """See `Consumer.poll`. Records that went by retention before they were read are passed over, and logged."""
        with self._connection.errors_told():
            try:
                found = self._client.poll(timeout_ms=round(1000 * timeout_s), max_records=MOST_RECORDS)
            except errors.OffsetOutOfRangeError:
                self._pass_over_what_is_gone()
                found = {}
        self._claim()
        records = {
            place.partition: [to_record(TOPICS[self._topic], each) for each in of] for place, of in found.items()
        }
        return {partition: [each for each in of if each is not None] for partition, of in records.items()}

    def position(self, partition: int) -> int:
        """See `Consumer.position`."""
        with self._connection.errors_told():
            return int(self._client.position(self._place(partition), timeout_ms=0))

    def end(self, partition: int) -> int:
        """See `Consumer.end`."""
        known = self._client.highwater(self._place(partition))
        return self.position(partition) if known is None else int(known)

    def pause(self, partitions: Collection[int]) -> None:
        """See `Consumer.pause`."""
        self._client.pause(*self._assigned(partitions))

    def resume(self, partitions: Collection[int]) -> None:
        """See `Consumer.resume`."""
        self._client.resume(*self._assigned(set(partitions) - self._unclaimed))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See `Consumer.commit`."""
        if offsets:
            self._client.commit_async(
                {self._place(partition): OffsetAndMetadata(offset) for partition, offset in offsets.items()}
            )

    def close(self) -> None:
        """See `Consumer.close`."""
        self._client.close(autocommit=False, timeout_ms=_LEAVING_MS)

    def _given(self, places: Collection[TopicPartition]) -> None:
        """Within a poll of the client's: what the owner has to do may take long or fail, so that it comes after it.

        Until then nothing is fetched; the offset is none of the group's, which it would ask Kafka for.
        """
        for place in places:
            self._client.seek(place, 0)
            self._client.pause(place)
            self._unclaimed.add(place.partition)

    def _taken(self, places: Collection[TopicPartition]) -> None:
        partitions = {place.partition for place in places}
        self._unclaimed -= partitions
        self._owner.revoked(partitions)

    def _claim(self) -> None:
        if not self._unclaimed:
            return
        for partition, offset in self._owner.assigned(sorted(self._unclaimed)).items():
            self._client.seek(self._place(partition), offset)
            self._client.resume(self._place(partition))
            self._unclaimed.discard(partition)

    def _pass_over_what_is_gone(self) -> None:
        """A new store begins with what is left."""
        places = [each for each in self._client.assignment() if each.partition not in self._unclaimed]
        starts, ends = self._client.beginning_offsets(places), self._client.end_offsets(places)
        for place in places:
            offset = int(self._client.position(place, timeout_ms=0))
            if offset > ends[place]:
                raise OffsetOutOfRangeError(place.topic, place.partition, offset, ends[place])
            if offset < starts[place]:
                if offset:
                    _log.error(
                        "unread records are gone by retention",
                        topic=place.topic,
                        partition=place.partition,
                        count=starts[place] - offset,
                    )
                self._client.seek(place, starts[place])

    def _assigned(self, partitions: Collection[int]) -> list[TopicPartition]:
        """Those that the group has not taken meanwhile."""
        assigned = self._client.assignment()
        return [place for each in partitions if (place := self._place(each)) in assigned]

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells of partitions that come and go."""

    def __init__(self, given: Any, taken: Any) -> None:
        self._given = given
        self._taken = taken

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._given(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._taken(revoked)
