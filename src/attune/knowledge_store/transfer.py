"""A whole store out of one engine and into another, piece by piece."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from attune.knowledge_store.codec import encode, encode_digests
from attune.knowledge_store.kept import Kept, KeptConsents, KeptObject, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.model import LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.rows import Rows
from attune.knowledge_store.store import StoreError

_LOADED_AT_ONCE = 256
"""Pieces of a backup: an engine takes them faster together, and memory has no more of them than these."""


def dump(rows: Rows) -> Iterator[Kept]:
    """See Store.dump."""
    for user, record in rows.users():
        yield KeptUser(user, record)
    yield from rows.every_tombstone()
    yield from rows.every_consents()
    yield from rows.every_summary()
    yield from rows.positions()
    yield from rows.every_object()


def load(rows: Rows, kept: Iterable[Kept]) -> None:
    """See Store.load."""
    if not rows.is_empty():
        raise StoreError("the store is not empty: name a new one, or move this one away")
    pieces = iter(kept)
    while batch := list(islice(pieces, _LOADED_AT_ONCE)):
        _load(rows, batch)


def _load(rows: Rows, batch: Sequence[Kept]) -> None:
    users: list[tuple[UserKey, bytes, bytes]] = []
    objects: defaultdict[str, dict[str, Sequence[LinkedEntity]]] = defaultdict(dict)
    for each in batch:
        match each:
            case KeptUser(user, record):
                users.append((user, encode(record), encode_digests(record)))
            case KeptTombstone():
                rows.put_tombstone(each)
            case KeptConsents():
                rows.put_consents(each)
            case KeptSummary():
                rows.put_summary(each)
            case LogPosition():
                rows.advance(each)
            case KeptObject(tenant, object_id, linked):
                objects[tenant][object_id] = linked
    rows.put_encoded(users)
    for tenant, of_tenant in objects.items():
        rows.put_objects(tenant, of_tenant)
