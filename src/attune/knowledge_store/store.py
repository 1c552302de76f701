"""What a knowledge store promises, whichever engine keeps it. tests/contract/test_store_contract.py holds every engine
to it.

A store keeps, per user, entity aggregates, ids of documents that were read, what the user said of themselves to be
kept, digests of event ids, consents and a summary; per tenant, which entities its documents are about, and which ones
many users have in common; and how far each log partition was read. No query and no text of a document. Every method
blocks and may be called from any thread.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.kept import Kept, KeptObject
from attune.knowledge_store.model import Companion, EntityState, LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.record import Expired, RecordView, UserRecord
from attune.knowledge_store.store_model import (
    Applied,
    Claim,
    EntityCursor,
    LoggedObject,
    Profile,
    Projected,
    Removal,
    Suppressed,
)

DEFAULT_CAPACITY = 512


class StoreError(Exception):
    """The store cannot do what was asked; the message is one sentence that says why and what to do."""


class StoreBusyError(StoreError):
    """Another writer held the store for too long; nothing was written, so the same call may be tried again."""


class FencedError(StoreError):
    """Somebody else has claimed the partition since: nothing was written, and nothing may be any more."""

    def __init__(self, log: str, partition: int) -> None:
        super().__init__(f"{log}/{partition} was claimed by another worker: claim it again, or leave it to that one")


class UnclaimedError(FencedError):
    """Nobody has claimed the partition in this store, which has taken the place of the one that it was claimed in
    (shadow.py): nothing was written, and whose partition it is may claim it anew.
    """


class Store(Protocol):
    """One knowledge store. Raises StoreError (of which StoreBusyError may be tried again) from any method."""

    @property
    def consent_default(self) -> bool:
        """Whether a purpose is granted that a user has made no choice about."""
        ...

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        """Takes a batch and moves the log position, in one transaction: after a crash either all of it happened or
        nothing.

        An event is counted once per user and event id, as far back as a record remembers (record.py). It is dropped
        when its epoch is not after the user's tombstone; of an event that is taken, observations not after a tombstone
        of their entity, under whichever of its ids, are dropped. Dropped too is an event that happened or was logged
        while its user did not allow learning, which leaves no trace. A position never moves back.

        Raises FencedError for a position of an epoch that is not that of the partition's last claim, UnclaimedError
        where there is no claim.
        """
        ...

    def claim(self, log: str, partition: int) -> Claim:
        """Makes the caller the one who may move the partition's position, from where it is.

        Whoever had claimed it before is fenced off, however long they sleep: a transaction of theirs that is under way
        is waited for, a later one is refused.
        """
        ...

    def position(self, log: str, partition: int) -> int:
        """The next offset to read, 0 for a partition never read."""
        ...

    def entities(self, user: UserKey) -> list[EntityState]:
        """All of a user's entities, the largest weight first, ties by id."""
        ...

    def view(self, user: UserKey) -> RecordView:
        """All of a user's entities by their ids, and what the user has read and said, in one reading."""
        ...

    def entity_page(self, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
        """At most `limit` of `entities`, those behind `after` (the cursor of the last one that the caller has)."""
        ...

    def profile(self, user: UserKey) -> Profile: ...

    def forget_user(self, user: UserKey, at: datetime) -> dict[str, int]:
        """Erases the user; returns how many went, per place: entities, events, profiles, readings, statements,
        suppressions, summaries, entity_tombstones. What the user allows stays, under a digest.

        Everything that was erased, and all that happened or was logged until `at`, stays out for good. Forgetting again
        erases what came since.
        """
        ...

    def forget_entity(self, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
        """Like forget_user for one entity of the user, the documents read and the statements that are mainly about it,
        and the summary, which may name it; the places are these four.
        """
        ...

    def forgotten(self, users: Collection[UserKey]) -> dict[UserKey, datetime]:
        """Until when those of the users were forgotten that ever were."""
        ...

    def forgotten_entities(self, user: UserKey) -> dict[str, datetime]:
        """Until when those entities of the user were forgotten that ever were, since the user was."""
        ...

    def restore(self, removals: Sequence[Removal], position: LogPosition) -> None:
        """Takes what a log says was removed and moves the log position, in one transaction.

        What the store knows already, and what a later forgetting of the user covers, changes nothing: the user may have
        begun anew since. The rest is done as forget_user, forget_entity and suppress do it.
        """
        ...

    def suppress(
        self, user: UserKey, fingerprints: Sequence[bytes], at: datetime, history_until: datetime | None = None
    ) -> None:
        """Adds to what the user wanted, at that time, suggested no more; `history_until` never moves back. Forgotten
        with the user, and not taken where the user was forgotten after it.
        """
        ...

    def suppressed(self, user: UserKey) -> Suppressed: ...

    def consent(self, user: UserKey, choices: Sequence[Choice]) -> Consents:
        """Adds to what the user allows; returns all of it. Who allows no summary any more has none."""
        ...

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        """Of those users that have ever made a choice."""
        ...

    def allows(self, user: UserKey, purpose: Purpose) -> bool:
        """Whether the purpose is granted: by the user's choice, or by `consent_default`."""
        ...

    def restore_consents(self, said: Sequence[tuple[UserKey, Sequence[Choice]]], position: LogPosition) -> None:
        """As `consent` for each, and moves the log position, in one transaction."""
        ...

    def summary(self, user: UserKey) -> Summary | None: ...

    def put_summary(self, user: UserKey, summary: Summary, entity_ids: Collection[str]) -> bool:
        """Keeps the summary in place of what there was, unless it has come too late: False where the user allows none,
        lacks one of the entities (those that it names) by now, or has a summary of that version or a later one.
        """
        ...

    def due_for_summary(self, every: int) -> Iterator[UserKey]:
        """The users who allow a summary, have entities, and have no summary or one that is `every` events old, in
        order of both names, as of the moment of the first one.
        """
        ...

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        """Keeps them, by entity id and in order, in place of all that there were of the tenant."""
        ...

    def retain_companions(self, tenants: Collection[str]) -> None:
        """Drops the companions of all other tenants."""
        ...

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        """Of those entities that have any."""
        ...

    def remember_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        """Keeps, in order, which entities each document (by object id) is about, in place of what was known."""
        ...

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        """The entities of those documents of the tenant that are known."""
        ...

    def forget_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        """Returns how many of them were known."""
        ...

    def restore_objects(self, said: Sequence[LoggedObject], position: LogPosition) -> None:
        """Takes what records of a partition say, in their order, and moves the log position, in one transaction.

        Of a document, the newest record counts. Records from before the position that the store has already are passed
        over, for what it keeps may be newer: several processes may read the same partition at once.
        """
        ...

    def every_object(self) -> Iterator[KeptObject]:
        """Every document of every tenant, in order of both ids, as of the moment of the first one."""
        ...

    def export(self, user: UserKey) -> Iterator[dict[str, Any]]:
        """All that is kept of the user at this moment, as records (privacy.py has the format)."""
        ...

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        """Every user of every tenant, in order of both names, as of the moment of the first one."""
        ...

    def users_allowing(self, purpose: Purpose) -> Iterator[tuple[UserKey, UserRecord]]:
        """Those of `users` who allow the purpose."""
        ...

    def expire(self, before: datetime, *, dry_run: bool = False) -> Expired:
        """Drops entity states, documents read and statements of before then, and users who were last seen before then
        and have no entity left; the summary of who loses any, too.

        What a user wants suggested no more is kept, tombstones too. Goes from user to user, in many transactions: after
        an error or a crash, the same call does the rest. A dry run only counts.

        Retention, not forgetting: the log read again from its beginning would bring back what its events say.
        """
        ...

    def dump(self) -> Iterator[Kept]:
        """All that is kept but companions, as of the moment of the first piece: users, tombstones, consents, summaries,
        positions, objects.
        """
        ...

    def load(self, kept: Iterable[Kept]) -> None:
        """Takes what another store dumped, in one transaction: if `kept` raises, or at a crash, nothing was taken.

        Raises StoreError where anything is kept already.
        """
        ...

    def size(self) -> int | None:
        """Bytes on disk, as the engine counts them; None for a store in memory."""
        ...

    def close(self) -> None:
        """Ends all use of the store; closing it again does nothing."""
        ...
