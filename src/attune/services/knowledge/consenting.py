"""What users allow: to the log first, then to the store, which reads it from there."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from attune.knowledge_store.consent import NO_CHOICE, Choice, Consents, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.services.knowledge.finishing import Finisher
from attune.services.runtime.clock import Clock
from attune.services.runtime.consents import append_consents, restore_consents
from attune.services.runtime.eventlog.port import EventLog

_MICROSECOND = timedelta(microseconds=1)


class Consenting:
    """Takes choices, to their end. Each may be repeated."""

    def __init__(self, store: Store, event_log: EventLog, clock: Clock) -> None:
        self._store = store
        self._event_log = event_log
        self._clock = clock
        self._finisher = Finisher()
        self._one_at_a_time = threading.Lock()
        """A record holds all choices of its user: of two that are made at once in this process, the later has both."""

    async def consents(self, user: UserKey) -> Consents:
        """What the user has chosen."""
        return await asyncio.to_thread(self._held, user)

    async def choose(self, user: UserKey, wanted: Mapping[Purpose, bool]) -> Consents:
        """Grant (True) and withdraw (False) purposes, from now on; return all that the user has chosen."""
        return await self._finisher.to_the_end(lambda: self._choose(user, wanted))

    async def finish(self) -> None:
        """Wait for what was begun. To be called before the store and the log are closed."""
        await self._finisher.finish()

    def _choose(self, user: UserKey, wanted: Mapping[Purpose, bool]) -> Consents:
        with self._one_at_a_time:
            restore_consents(self._event_log, self._store)  # what the store did not take when it was asked before
            held, now = self._held(user), self._clock()
            made = list(_changes(held, wanted, now))
            if made:
                self._append(user, held.merged(made), now)
            return self._held(user)

    def _append(self, user: UserKey, consents: Consents, now: datetime) -> None:
        """A record with all choices, also with those that another process has appended meanwhile: each process sees
        what was appended before its own record, so the last one lacks nothing, and those before may be compacted.
        """
        while True:
            append_consents(self._event_log, user, consents, now)
            restore_consents(self._event_log, self._store)
            held = self._held(user)
            if held == consents:
                return
            consents = held

    def _held(self, user: UserKey) -> Consents:
        return self._store.consents([user]).get(user, NO_CHOICE)


def _changes(held: Consents, wanted: Mapping[Purpose, bool], now: datetime) -> Iterator[Choice]:
    """The choices that say something new. One follows all before about its purpose, though they were made by a clock
    that is ahead: else the newest wish would not count. What is withdrawn is so from now on all the same, and not only
    when that clock's grant is over.
    """
    for purpose, granted in wanted.items():
        before = held.newest(purpose)
        if before is None:
            yield Choice(now, purpose, granted)
        elif before.granted != granted:
            if not granted and before.at >= now:
                yield Choice(now, purpose, granted)
            yield Choice(max(now, before.at + _MICROSECOND), purpose, granted)
