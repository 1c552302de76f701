"""What is produced while faults happen: events of a few users, some of them late, early, again or wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from tests.drawn_events import Deeds

from attune.events.v1 import events_pb2 as events
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import LinkedEntity, UserKey
from attune.services.runtime.eventlog.kafka_records import partition_of
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import log_key, to_entry

TENANT = "acme"
ENTITIES = ("asyncio", "threading", "numpy", "pandas", "scipy", "torch")
DOCUMENTS = {
    "tasks": (LinkedEntity("asyncio", 1.0), LinkedEntity("threading", 0.5)),
    "frames": (LinkedEntity("pandas", 0.75),),
    "arrays": (LinkedEntity("numpy", 1.0), LinkedEntity("scipy", 0.25)),
}
USERS = tuple(UserKey(TENANT, f"user-{number}") for number in range(30))
FORGOTTEN = USERS[::3]
"""Those that ask to be forgotten, again and again. The others are never: what they are known for shows what is lost."""
CHOOSING = USERS[1::6]
"""Those that change their mind about what is learned of them."""
_SENT_AGAIN = 40
_DEEDS = Deeds(ENTITIES, tuple(DOCUMENTS))


class Traffic:
    """Draws batches of records. Every batch has some for each partition."""

    def __init__(self, random: Random, partitions: int) -> None:
        self._random = random
        users = [
            [user for user in USERS if partition_of(log_key(user), partitions) == each] for each in range(partitions)
        ]
        if not all(users):
            raise ValueError(f"partitions is {partitions}: some would have no user; name fewer")
        self._users = users
        self._sent: list[Entry] = []
        self._made = 0
        self.wrong: set[tuple[bytes, bytes]] = set()
        """Key and value of all that is no valid event."""

    def batch(self) -> list[Entry]:
        """The next records to be sent."""
        return [each for users in self._users for each in self._records(users)]

    def _records(self, users: list[UserKey]) -> Iterator[Entry]:
        yield self._event(self._random.choice(users))
        for _ in range(self._random.randint(0, 4)):
            draw = self._random.random()
            if draw < 0.06:
                wrong = self._wrong(self._random.choice(users))
                self.wrong.add((wrong.key, wrong.value))
                yield wrong
            elif draw < 0.25 and self._sent:
                yield self._random.choice(self._sent)
            else:
                yield self._event(self._random.choice(users))

    def _event(self, user: UserKey) -> Entry:
        entry = to_entry(self._message(user))
        self._sent = [*self._sent, entry][-_SENT_AGAIN:]
        return entry

    def _message(self, user: UserKey) -> InteractionEvent:
        self._made += 1
        made = InteractionEvent(tenant_id=user.tenant, user_id=user.user, event_id=f"event-{self._made}")
        made.occurred_at.FromDatetime(self._occurred_at())
        _DEEDS.draw(made, self._random)
        return made

    def _occurred_at(self) -> datetime:
        """By the clocks of users: some are late, and some ahead."""
        draw, now = self._random.random(), datetime.now(UTC)
        if draw < 0.2:
            return now - timedelta(seconds=self._random.randint(1, 90))
        if draw < 0.25:
            return now + timedelta(seconds=self._random.randint(1, 60))
        return now

    def _wrong(self, user: UserKey) -> Entry:
        kind, made = self._random.randrange(3), self._message(user)
        if kind == 0:
            return Entry(log_key(user), b"\xff no protobuf %d" % self._made)
        if kind == 1:
            made.occurred_at.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        else:
            made.type = events.EVENT_TYPE_UNSPECIFIED
        return to_entry(made)
