"""Simulated users: light ones with some entities, and a few whose record is full.

Their events are real ones as far as a store can tell: they go through the same folding. Which entities a user has, when
and how often, is drawn by a seed; a thousand different records are made, and each user gets one of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from zlib import crc32

from attune.knowledge_store.cooccurrence import MOST_COMPANIONS
from attune.knowledge_store.history import Noted
from attune.knowledge_store.model import Companion, EventKind, Observation, Source, UserKey
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store_model import Projected

TENANT = "bench"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
_DIFFERENT = {False: 1000, True: 20}
_EVENTS_PER_ENTITY = 1.5
_DAYS = 120


@dataclass(frozen=True)
class Population:
    """So many users; one in `full_every` has as many entities as a record holds, the others `light`."""

    entity_ids: Sequence[str]
    light: int
    capacity: int
    full_every: int
    seed: int = 0
    documents: int = 1_000_000
    """How many there are to read."""
    document_id: Callable[[int], str] = "article-{:06}".format
    """Of each by its number."""

    def is_full(self, number: int) -> bool:
        """Whether the user of that number has a full record."""
        return number % self.full_every == self.full_every - 1

    def user(self, number: int) -> UserKey:
        """The user of that number."""
        return UserKey(TENANT, f"user-{number:09}")

    def records(self, start: int, end: int) -> Iterator[tuple[UserKey, UserRecord]]:
        """The records of the users from one number to another."""
        for number in range(start, end):
            of_kind = self._made[self.is_full(number)]
            yield self.user(number), of_kind[number % len(of_kind)]

    def events(self, numbers: Sequence[int], random: Random) -> list[Projected]:
        """A new event of each of those users, about two entities."""
        return [self._event(number, f"new-{random.random()}", random) for number in numbers]

    def companions(self) -> dict[str, list[Companion]]:
        """Of each entity as many companions as a store keeps at most. Users drawn at random have none in common."""
        random = Random(f"{self.seed} companions")  # noqa: S311 - no secret
        return {
            entity_id: [
                Companion(each, random.randrange(5, 5000), round(random.random() / 2, 4))
                for each in random.sample(list(self.entity_ids), min(MOST_COMPANIONS, len(self.entity_ids)))
            ]
            for entity_id in self.entity_ids
        }

    def context(self, states: Sequence[str], random: Random) -> set[str]:
        """What a query may name: up to four entities that the user has, and four of the catalog."""
        known = random.sample(list(states), min(4, len(states)))
        return {*known, *random.sample(list(self.entity_ids), min(4, len(self.entity_ids)))}

    @cached_property
    def _made(self) -> dict[bool, list[UserRecord]]:
        return {full: [self._record(full, place) for place in range(count)] for full, count in _DIFFERENT.items()}

    def _record(self, full: bool, place: int) -> UserRecord:
        random = Random(f"{self.seed} {full} {place}")  # noqa: S311 - no secret
        count = self.capacity if full else self.light
        chosen = random.sample(list(self.entity_ids), count)
        record = UserRecord()
        for number in range(int(_EVENTS_PER_ENTITY * count)):
            entity_id = chosen[number] if number < count else random.choice(chosen)
            event = self._of(self.user(0), f"{full} {place} {number}", [entity_id], random)
            record.take(event)
            for seen in event.observations:
                record.observe(seen)
            _read(record, event)
        return record

    def _event(self, number: int, name: str, random: Random) -> Projected:
        return self._of(self.user(number), name, random.sample(list(self.entity_ids), 2), random)

    def _read_by(self, name: str) -> str:
        return self.document_id(crc32(name.encode()) % self.documents)

    def _of(self, user: UserKey, name: str, entity_ids: Sequence[str], random: Random) -> Projected:
        at = NOW - timedelta(days=_DAYS * random.random() ** 2)
        kind, source = random.choice(
            [(EventKind.QUERY, Source.QUERY), (EventKind.CLICK, Source.DOCUMENT), (EventKind.DWELL, Source.DOCUMENT)]
        )
        weight = 1.0 if source is Source.QUERY else random.uniform(0.1, 1.0)
        seen = tuple(Observation(entity_id, kind, source, at, weight) for entity_id in entity_ids)
        read = Noted(self._read_by(name), at, entity_ids=tuple(entity_ids)) if source is Source.DOCUMENT else None
        return Projected(name, user, at, at, seen, read)


def _read(record: UserRecord, event: Projected) -> None:
    """Who stays on a document has opened one: the last."""
    read = event.reading
    if read is None:
        return
    if event.observations[0].kind is EventKind.DWELL and record.readings:
        read = replace(read, text=list(record.readings)[-1])
    record.note_reading(read)
