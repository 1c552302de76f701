"""What users want gone: to the log first, then to the store, then out of what the log and its dead letters hold.

The order makes every crash harmless. In the log, a removal is found by whoever builds the store again
(runtime/removals.py), and by the next start. With the tombstone in the store, nothing from before is learned; and who
writes to the log looks for it after writing (appending.py, ingest/worker.py, and single removals here), so that
redacting last reaches all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_model import Removal, Suppressed
from attune.services.knowledge.finishing import Finisher
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key
from attune.services.runtime.removals import REMOVALS_TOPIC, append_removal

_PLACES = {"event_log": TOPIC, "dead_letters": DEAD_LETTER_TOPIC, "removals": REMOVALS_TOPIC}

_ENTITY_PLACES = ("entities", "readings", "statements", "summaries")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many records went, per place, and until when nothing is learned again."""

    removed: dict[str, int]
    until: datetime


class Forgetting:
    """Carries removals to their end, whether or not the caller waits for it. Each may be repeated."""

    def __init__(self, knowledge: Knowledge, event_log: EventLog, clock: Clock) -> None:
        self._knowledge = knowledge
        self._event_log = event_log
        self._clock = clock
        self._finisher = Finisher()

    async def forget_user(self, user: UserKey) -> Forgotten:
        """Everything of a user, behind a tombstone."""
        return await self._finisher.to_the_end(lambda: self._forget_user(user))

    async def forget_entity(self, user: UserKey, entity_id: str) -> Forgotten:
        """One entity of a user, behind a tombstone of its own."""
        return await self._finisher.to_the_end(lambda: self._forget_entity(user, entity_id))

    async def suppress(self, user: UserKey, fingerprints: Sequence[bytes], *, all_history: bool) -> None:
        """Suggestions that the user wants no more."""
        await self._finisher.to_the_end(lambda: self._suppress(user, fingerprints, all_history=all_history))

    async def finish(self) -> None:
        """Wait for what was begun. To be called before the store and the log are closed."""
        await self._finisher.finish()

    def _forget_user(self, user: UserKey) -> Forgotten:
        removed, until = self._bury(user, self._clock())
        # A tombstone of an entity may be later, by what the log's clock said then; what says so goes with the user.
        if entities := self._knowledge.store.forgotten_entities(user):
            more, until = self._bury(user, max(until, *entities.values()))
            removed = {place: removed[place] + more[place] for place in removed}
        for place, topic in _PLACES.items():
            removed[place] = self._event_log.redact(topic, log_key(user))
        return Forgotten(removed, until)

    def _bury(self, user: UserKey, at: datetime) -> tuple[dict[str, int], datetime]:
        """Into the log, then the store; what went there, and until when the user is forgotten now."""
        append_removal(self._event_log, Removal(user, at))
        removed = self._knowledge.forget_user(user, at)
        until = self._knowledge.store.forgotten([user])[user]
        self._append_later(Removal(user, at), until)
        return removed, until

    def _forget_entity(self, user: UserKey, entity_id: str) -> Forgotten:
        at = self._clock()
        removed: Counter[str] = Counter()
        latest = at
        for each in self._knowledge.one_entity(entity_id):  # or what was merged would bring it back
            append_removal(self._event_log, Removal(user, at, each))
            removed += Counter(self._knowledge.forget_entity(user, each, at))
            until = self._knowledge.store.forgotten_entities(user).get(each, at)
            self._append_later(Removal(user, at, each), until)
            latest = max(latest, until)
        self._redact_covered(user, latest)
        return Forgotten({place: removed[place] for place in _ENTITY_PLACES}, at)

    def _append_later(self, removal: Removal, until: datetime) -> None:
        """Events were logged by a clock that is ahead of this one, perhaps: the log's tombstone covers them too."""
        if until > removal.at:
            append_removal(self._event_log, replace(removal, at=until))

    def _suppress(self, user: UserKey, fingerprints: Sequence[bytes], *, all_history: bool) -> None:
        at = self._clock()
        suppressed = Suppressed(tuple(fingerprints), at if all_history else None)
        append_removal(self._event_log, Removal(user, at, suppressed=suppressed))
        self._knowledge.store.suppress(user, suppressed.fingerprints, at, suppressed.history_until)
        self._redact_covered(user, at)

    def _redact_covered(self, user: UserKey, at: datetime) -> None:
        """The user may have been forgotten wholly since, and what was appended lie behind that redaction. A tombstone
        that is not seen even now was set after the append, and its redaction is still to come.

        Removals of up to `at` were appended. One that is later than the tombstone of an earlier forgetting is still
        needed: the user has begun anew.
        """
        until = self._knowledge.store.forgotten([user]).get(user)
        if until is not None and at <= until:
            self._event_log.redact(REMOVALS_TOPIC, log_key(user))
