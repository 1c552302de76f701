"""What a store asks of an engine: everything else is written once, over these rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attune.knowledge_store.consent import Consents
from attune.knowledge_store.kept import KeptConsents, KeptObject, KeptSummary, KeptTombstone
from attune.knowledge_store.model import Companion, LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.record import RecordView, UserRecord
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.tombstones import Tombstones


class Rows(Protocol):
    """What one engine reads and writes, row by row, within a transaction that it makes atomic."""

    def record(self, user: UserKey) -> UserRecord | None:
        """The user's record without digests, to be read."""
        ...

    def view(self, user: UserKey) -> RecordView:
        """What questions about the user need, to be read; of a user who has no record, nothing is in it."""
        ...

    def suppressed(self, user: UserKey) -> Suppressed:
        """What the user has removed."""
        ...

    def locked(self, users: Collection[UserKey]) -> dict[UserKey, UserRecord]:
        """The whole records of those that have one. Until the end no other transaction changes any of the users."""
        ...

    def put(self, records: Mapping[UserKey, UserRecord]) -> None:
        """Keeps the records of users, who are locked, in place of what there was."""
        ...

    def put_encoded(self, users: Iterable[tuple[UserKey, bytes, bytes]]) -> None:
        """As `put`: users' records and digests as `codec` encodes them."""
        ...

    def delete(self, users: Collection[UserKey]) -> None:
        """Drops their records."""
        ...

    def tombstones(self, user: UserKey) -> Tombstones:
        """Those of the user."""
        ...

    def tombstones_of(self, users: Collection[UserKey]) -> dict[UserKey, Tombstones]:
        """Those of each of the users."""
        ...

    def put_tombstone(self, tombstone: KeptTombstone) -> None:
        """Keeps it; one that is earlier than what there was leaves that."""
        ...

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        """Removes the user's entity tombstones not after `until`."""
        ...

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        """As `Store.consents`."""
        ...

    def put_consents(self, consents: KeptConsents) -> None:
        """Keeps them in place of what there was."""
        ...

    def summary(self, user: UserKey) -> Summary | None:
        """The user's."""
        ...

    def put_summary(self, summary: KeptSummary) -> None:
        """Keeps it in place of what there was."""
        ...

    def delete_summary(self, user: UserKey) -> int:
        """Returns how many there were."""
        ...

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        """As `Store.replace_companions`."""
        ...

    def retain_companions(self, tenants: Collection[str]) -> None:
        """As `Store.retain_companions`."""
        ...

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        """As `Store.companions`."""
        ...

    def position(self, log: str, partition: int) -> int:
        """The next offset to read, 0 for a partition never read."""
        ...

    def advance(self, position: LogPosition) -> None:
        """Moves the position on; one that is behind leaves it."""
        ...

    def claim(self, log: str, partition: int, epoch: int) -> None:
        """Keeps the number of a new claim. Until the end no other transaction has the partition's `epoch`."""
        ...

    def epoch(self, log: str, partition: int) -> int:
        """The number of the partition's last claim, 0 without any. Until the end no other transaction makes one."""
        ...

    def put_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        """As `Store.remember_objects`."""
        ...

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        """As `Store.objects`."""
        ...

    def delete_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        """As `Store.forget_objects`."""
        ...

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        """Every user that there is, by tenant and user, with the whole record, to be read; one at a time in memory."""
        ...

    def every_tombstone(self) -> Iterator[KeptTombstone]:
        """By digest, then the user's before its entities'."""
        ...

    def every_consents(self) -> Iterator[KeptConsents]:
        """By digest."""
        ...

    def every_summary(self) -> Iterator[KeptSummary]:
        """By tenant and user; one at a time in memory."""
        ...

    def positions(self) -> Iterator[LogPosition]:
        """By log and partition."""
        ...

    def every_object(self) -> Iterator[KeptObject]:
        """By tenant and object id; one at a time in memory."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing at all is kept. Until the end no other transaction changes that."""
        ...

    def size(self) -> int | None:
        """Bytes that the engine takes for all of this on disk; None for one that has no disk."""
        ...
