"""The rules of the store, written once over what an engine keeps: users' records, tombstones and log positions.

Which events count, what a tombstone covers and who is evicted is decided here, event by event, so that the result does
not depend on how a log was cut into batches, nor on the engine.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.model import Summary, UserKey, require_identifier, require_utc
from attune.knowledge_store.record import Expired
from attune.knowledge_store.store_model import Applied, Projected, Removal, Suppressed
from attune.knowledge_store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a store: how many entities a user has at most, and whether what nobody chose is allowed."""

    capacity: int
    consent_default: bool


def apply_batch(tx: Transaction, batch: Sequence[Projected], limits: Limits) -> Applied:
    """See Store.apply."""
    users = {event.user for event in batch}
    tx.read_tombstones(users)
    tx.read_consents(users)
    return Applied(**Counter(_apply_event(tx, event, limits) for event in batch))


def _apply_event(tx: Transaction, event: Projected, limits: Limits) -> str:
    tombstones, epoch = tx.tombstones(event.user), event.epoch
    if tombstones.cover_event(epoch):
        return "forgotten"
    if not _may_learn(tx.consents(event.user), event, limits.consent_default):
        return "withheld"
    record = tx.changed(event.user)
    if not record.take(event):
        return "duplicates"
    for seen in event.observations:
        if not tombstones.cover_any(epoch, (seen.entity_id, *seen.other_ids)):
            record.observe(seen)
    record.evict(limits.capacity)
    for noted, note in ((event.reading, record.note_reading), (event.statement, record.note_statement)):
        if noted is not None and not tombstones.cover_any(epoch, (*noted.entity_ids, *noted.other_ids)):
            note(noted)
    return "new"


def _may_learn(consents: Consents, event: Projected, default: bool) -> bool:
    """Held against both times: what is logged late was not allowed either. An event of a clock that is ahead happened
    when it was logged, at the latest: else a choice of afterwards would concern what was learned before.
    """
    if not consents.choices:  # most users have made none
        return default
    moments = (event.epoch, event.logged_at)
    return all(consents.allowed_learning(moment, default=default) for moment in moments)


def forget_user(tx: Transaction, user: UserKey, at: datetime) -> dict[str, int]:
    """See Store.forget_user."""
    until = _covering(tx, user, at)
    erased = tx.erase(user)
    erased["summaries"] = tx.delete_summary(user)
    erased["entity_tombstones"] = tx.drop_entity_tombstones(user, until)
    tx.bury(user, None, until)
    return erased


def forget_entity(tx: Transaction, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
    """See Store.forget_entity."""
    require_identifier(entity_id, "entity_id")
    until = _covering(tx, user, at)
    erased = tx.changed(user).forget(entity_id)
    if not tx.tombstones(user).cover_event(until):  # as a store that is built again has it
        tx.bury(user, entity_id, until)
    return {**erased, "summaries": tx.delete_summary(user)}


def restore(tx: Transaction, removals: Sequence[Removal]) -> None:
    """See Store.restore."""
    tx.read_tombstones({removal.user for removal in removals})
    for removal in removals:
        _restore(tx, removal)


def suppress(tx: Transaction, user: UserKey, more: Suppressed, at: datetime) -> None:
    """See Store.suppress."""
    require_utc(at, "at")
    if not tx.tombstones(user).cover_event(at):
        tx.changed(user).suppress(more)


def consent(tx: Transaction, user: UserKey, choices: Sequence[Choice], *, default: bool) -> Consents:
    """See Store.consent."""
    consents = tx.consent(user, choices)
    if not consents.allow(Purpose.SUMMARY, default=default):
        tx.delete_summary(user)
    return consents


def restore_consents(tx: Transaction, said: Sequence[tuple[UserKey, Sequence[Choice]]], *, default: bool) -> None:
    """See Store.restore_consents."""
    tx.read_consents({user for user, _ in said})
    for user, choices in said:
        consent(tx, user, choices, default=default)


def put_summary(
    tx: Transaction, user: UserKey, summary: Summary, entity_ids: Collection[str], *, default: bool
) -> bool:
    """See Store.put_summary."""
    allowed = tx.consents(user).allow(Purpose.SUMMARY, default=default)
    if not allowed or not tx.has_entities(user, entity_ids):
        return False
    held = tx.summary(user)
    if held is not None and held.version >= summary.version:  # another process has made this one meanwhile
        return False
    tx.put_summary(user, summary)
    return True


def carry_summary(tx: Transaction, user: UserKey, summary: Summary, *, default: bool) -> None:
    """See RowStore.carry_summaries."""
    allowed = tx.consents(user).allow(Purpose.SUMMARY, default=default)
    if allowed and 0 < summary.events <= tx.events(user):
        tx.put_summary(user, summary)


def expire(tx: Transaction, users: Collection[UserKey], before: datetime) -> Expired:
    """See Store.expire."""
    tx.lock(users)
    expired = Expired()
    for user in users:
        lost = tx.changed(user).expire(before)
        if lost != Expired():
            tx.delete_summary(user)
        expired += lost
    return expired


def _restore(tx: Transaction, removal: Removal) -> None:
    held = tx.tombstones(removal.user)
    if held.cover_event(removal.at):
        return
    if removal.suppressed is not None:
        suppress(tx, removal.user, removal.suppressed, removal.at)
    elif not removal.entity_id:
        forget_user(tx, removal.user, removal.at)
    elif not held.cover_entity(removal.at, removal.entity_id):
        forget_entity(tx, removal.user, removal.entity_id, removal.at)


def _covering(tx: Transaction, user: UserKey, at: datetime) -> datetime:
    """`at`, or later if the user has newer events: the log's clock may be ahead, and replays must find them covered."""
    require_utc(at, "at")
    newest = tx.changed(user).newest_epoch
    return at if newest is None else max(at, newest)
