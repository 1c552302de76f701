"""A consumer group of the broker: members come and go, partitions move, and not all is heard in time.

A rebalance is cooperative: a partition goes to another member when the one that has it has heard so. From a member
that does not answer, the group takes it without asking.
"""

from collections.abc import Callable, Collection, Mapping
from random import Random

from tests.simulation.broker import Broker

from attune.services.runtime.eventlog.consumer import Owner
from attune.services.runtime.eventlog.port import Record

_MOST_RECORDS = 6


class Group:
    """Who reads which partition of a topic. `happened` hears what is drawn here, for the figures and the trace."""

    def __init__(self, broker: Broker, topic: str, random: Random, happened: Callable[[str], None]) -> None:
        self.broker = broker
        self.topic = topic
        self.random = random
        self.happened = happened
        self.failing_commits = 0.0
        """How often a commit fails, between 0 and 1."""
        self.redeliveries = 0.05
        """How often a member gets again what it has had."""
        self.committed: dict[int, int] = {}
        self.members: list[Member] = []
        self.owners: dict[int, Member] = {}
        """Who has a partition, as the group sees it."""
        self._wanted: dict[int, Member] = {}

    def join(self, member: "Member") -> None:
        """A member more, which is to have some of the partitions."""
        self.members.append(member)
        self.rebalance()

    def remove(self, member: "Member") -> None:
        """It has left, or does not answer: its partitions are free at once."""
        self.members.remove(member)
        self.owners = {partition: owner for partition, owner in self.owners.items() if owner is not member}
        self.rebalance()

    def rebalance(self) -> None:
        """Decide anew about half of the partitions, and about those that nobody is to have."""
        self.happened("rebalance")
        for partition in range(self.broker.partition_count(self.topic)):
            orphan = self._wanted.get(partition) not in self.members
            if not self.members:
                self._wanted.pop(partition, None)
            elif orphan or self.random.random() < 0.5:
                self._wanted[partition] = self.random.choice(self.members)

    def lost(self, member: "Member", held: Collection[int]) -> list[int]:
        """What the member holds or was given, and is not to have."""
        own = [each for each, owner in self.owners.items() if owner is member]
        return sorted(each for each in {*held, *own} if each not in own or self._wanted.get(each) is not member)

    def release(self, member: "Member", partitions: Collection[int]) -> None:
        """The member has heard that they are no longer its own."""
        own = [each for each in partitions if self.owners.get(each) is member]
        self.owners = {each: owner for each, owner in self.owners.items() if each not in own}

    def given(self, member: "Member") -> list[int]:
        """What the member is to have, and nobody else has."""
        wanted = [each for each, other in sorted(self._wanted.items()) if other is member]
        return [each for each in wanted if self.owners.get(each, member) is member]


class Member:
    """Implements consumer.Consumer."""

    def __init__(self, group: Group, owner: Owner, reach: Callable[[str], None]) -> None:
        self._group = group
        self._owner = owner
        self._reach = reach
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()
        self.deaf = 0
        """In how many polls it hears nothing of the group, and goes on with what it has."""
        group.join(self)

    def poll(self, timeout_s: float) -> Mapping[int, list[Record]]:  # noqa: ARG002 - time is virtual
        """See `Consumer.poll`."""
        self._reach("before poll")
        if self.deaf:
            self.deaf -= 1
            self._group.happened("poll of a member that hears nothing")
        else:
            self._hear()
        ready = [each for each in sorted(self._positions) if each not in self._paused]
        found = {each: self._next(each) for each in ready}
        self._reach("after poll")
        return {partition: records for partition, records in found.items() if records}

    def position(self, partition: int) -> int:
        """See `Consumer.position`."""
        return self._positions[partition]

    def end(self, partition: int) -> int:
        """See `Consumer.end`."""
        return self._group.broker.end_offset(self._group.topic, partition)

    def pause(self, partitions: Collection[int]) -> None:
        """See `Consumer.pause`."""
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        """See `Consumer.resume`."""
        self._paused -= set(partitions)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See `Consumer.commit`."""
        self._reach("before commit")
        if offsets and self._group.random.random() < self._group.failing_commits:
            self._group.happened("failed commit")
        else:
            self._group.committed |= offsets

    def close(self) -> None:
        """See `Consumer.close`."""
        if self in self._group.members:
            self._group.remove(self)

    def rewind(self) -> None:
        """Begin again at the offsets that were committed, which may be old."""
        self._positions = {
            each: min(position, self._group.committed.get(each, 0)) for each, position in self._positions.items()
        }

    def _hear(self) -> None:
        group = self._group
        lost = group.lost(self, self._positions)
        if lost:
            self._positions = {each: at for each, at in self._positions.items() if each not in lost}
            self._owner.revoked(lost)
            group.release(self, lost)
        if self not in group.members:
            group.join(self)
        gained = [each for each in group.given(self) if each not in self._positions]
        if gained:
            group.owners |= dict.fromkeys(gained, self)
            self._positions |= self._owner.assigned(gained)

    def _next(self, partition: int) -> list[Record]:
        offset, end = self._positions[partition], self.end(partition)
        if offset and self._group.random.random() < self._group.redeliveries:
            self._group.happened("redelivery")
            offset -= self._group.random.randint(1, offset)
        most = self._group.random.randint(1, _MOST_RECORDS)
        records = self._group.broker.poll(self._group.topic, partition, offset, most, 1 << 20, 0)
        self._positions[partition] = records[-1].offset + 1 if records else end
        return records
