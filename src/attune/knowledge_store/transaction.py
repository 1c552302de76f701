"""Users within one transaction: each is locked before it is read, and written once, at the end."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attune.knowledge_store.consent import NO_CHOICE, Choice, Consents
from attune.knowledge_store.kept import KeptConsents, KeptSummary, KeptTombstone
from attune.knowledge_store.model import Summary, UserKey
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.rows import Rows
from attune.knowledge_store.tombstones import Tombstones


class Transaction:
    """Users as a transaction sees them: each read once, changed in memory, and written when it is `flush`ed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._records: dict[UserKey, UserRecord] = {}
        self._tombstones: dict[UserKey, Tombstones] = {}
        self._consents: dict[UserKey, Consents] = {}
        self._touched: dict[UserKey, None] = {}

    def lock(self, users: Collection[UserKey]) -> None:
        """Reads several users at once. Who touches several locks all of them first: two that lock one after another, in
        orders of their own, would wait for each other.
        """
        missing = sorted({user for user in users if user not in self._records})
        if missing:
            found = self._rows.locked(missing)
            self._records |= {user: found.get(user) or UserRecord() for user in missing}

    def changed(self, user: UserKey) -> UserRecord:
        """The user's record, to be changed."""
        self._touched[user] = None
        record = self._records.get(user)
        if record is None:
            self.lock([user])
            record = self._records[user]
        return record

    def has_entities(self, user: UserKey, entity_ids: Collection[str]) -> bool:
        """Whether the user, who is locked from here on, has all of them."""
        self.lock([user])
        return set(entity_ids) <= self._records[user].states.keys()

    def events(self, user: UserKey) -> int:
        """How many events of the user count, who is locked from here on."""
        self.lock([user])
        return self._records[user].events

    def erase(self, user: UserKey) -> dict[str, int]:
        """Empties the user's record; how much was in it."""
        counts = self.changed(user).counts()
        self._records[user] = UserRecord()
        return counts

    def tombstones(self, user: UserKey) -> Tombstones:
        """Those of the user, who is locked from here on."""
        held = self._tombstones.get(user)
        if held is None:
            self.read_tombstones([user])
            held = self._tombstones[user]
        return held

    def read_tombstones(self, users: Collection[UserKey]) -> None:
        """Those of several users at once, for `tombstones`; the users are locked from here on."""
        self.lock(users)
        missing = [user for user in users if user not in self._tombstones]
        self._tombstones |= self._rows.tombstones_of(missing) if missing else {}

    def bury(self, user: UserKey, entity_id: str | None, at: datetime) -> None:
        """Puts a tombstone: on the entity, or on the user when it is None."""
        self._rows.put_tombstone(KeptTombstone(user.digest, entity_id, at))
        self._tombstones.pop(user, None)

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        """Removes the user's entity tombstones not after `until`."""
        self._tombstones.pop(user, None)
        return self._rows.drop_entity_tombstones(user, until)

    def consents(self, user: UserKey) -> Consents:
        """What the user allows, who is locked from here on."""
        held = self._consents.get(user)
        if held is None:
            self.read_consents([user])
            held = self._consents[user]
        return held

    def read_consents(self, users: Collection[UserKey]) -> None:
        """Those of several users at once, for `consents`; the users are locked from here on."""
        self.lock(users)
        missing = [user for user in users if user not in self._consents]
        found = self._rows.consents(missing) if missing else {}
        self._consents |= {user: found.get(user, NO_CHOICE) for user in missing}

    def consent(self, user: UserKey, choices: Sequence[Choice]) -> Consents:
        """Adds to what the user allows; returns all of it."""
        merged = self.consents(user).merged(choices)
        self._rows.put_consents(KeptConsents(user.digest, merged))
        self._consents[user] = merged
        return merged

    def delete_summary(self, user: UserKey) -> int:
        """Returns how many there were. The user is locked from here on, so that none is written now."""
        self.lock([user])
        return self._rows.delete_summary(user)

    def summary(self, user: UserKey) -> Summary | None:
        """The user's, who is locked from here on."""
        self.lock([user])
        return self._rows.summary(user)

    def put_summary(self, user: UserKey, summary: Summary) -> None:
        """Keeps it; the user is locked."""
        self._rows.put_summary(KeptSummary(user, summary))

    def flush(self) -> None:
        """Writes what has changed."""
        changed = {user: self._records[user] for user in self._touched}
        kept = {user: record for user, record in changed.items() if not record.is_empty}
        if kept:
            self._rows.put(kept)
        if len(kept) < len(changed):
            self._rows.delete(changed.keys() - kept.keys())
