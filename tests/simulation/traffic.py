"""What producers send: events of a few users, some of them again, late, early or wrong."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random

from tests.drawn_events import Deeds

from attune.events.v1 import events_pb2 as events
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import LinkedEntity, UserKey
from attune.services.runtime.eventlog.port import Entry, EventLog
from attune.services.runtime.events import TOPIC, log_key, to_entry

CATALOG = tuple(f'{{"id": "{name}", "label": "{name}"}}' for name in ("asyncio", "threading", "numpy", "pandas"))
ENTITIES = ("asyncio", "threading", "numpy", "pandas")
DOCUMENTS: Mapping[str, tuple[LinkedEntity, ...]] = {
    "tasks": (LinkedEntity("asyncio", 1.0), LinkedEntity("threading", 0.5)),
    "frames": (LinkedEntity("pandas", 0.75),),
}
USERS = tuple(UserKey(*names) for names in (("acme", "ada"), ("acme", "bea"), ("zeta", "ada")))
_DEEDS = Deeds(ENTITIES, tuple(DOCUMENTS))


class Traffic:
    """Producers. `happened` hears of what is not an ordinary event."""

    def __init__(
        self, log: EventLog, random: Random, now: Callable[[], datetime], happened: Callable[[str], None]
    ) -> None:
        self._log = log
        self._random = random
        self._now = now
        self._happened = happened
        self._sent: list[Entry] = []
        self._keys: dict[tuple[int, int], bytes] = {}
        self.wrong: set[str] = set()
        """Where what is no valid event lies, as a dead letter tells its position."""

    def send(self) -> None:
        """A few records, each of them appended at a moment of its own."""
        for _ in range(self._random.randint(1, 6)):
            draw = self._random.random()
            if draw < 0.1:
                self._happened("poison")
                self._append(self._poison(), wrong=True)
            elif draw < 0.3 and self._sent:
                self._happened("duplicate by a producer")
                self._append(self._random.choice(self._sent[-12:]))
            else:
                self._append(to_entry(self._event()))

    def send_last(self) -> None:
        """One record more to each partition that has any: whoever sits at its end is to hear of what has changed."""
        for partition in range(self._log.partition_count(TOPIC)):
            if end := self._log.end_offset(TOPIC, partition):
                key = self._keys[partition, end - 1]
                self._append(Entry(key, b"\xff"), wrong=True)

    def _append(self, entry: Entry, *, wrong: bool = False) -> None:
        [at] = self._log.append(TOPIC, [entry], self._now())
        self._keys[at.partition, at.offset] = entry.key
        if wrong:
            self.wrong.add(f"{at.topic}/{at.partition}/{at.offset}")
        else:
            self._sent.append(entry)

    def _event(self) -> InteractionEvent:
        [user] = self._random.choices(USERS, (4, 2, 1))
        made = InteractionEvent(
            tenant_id=user.tenant, user_id=user.user, event_id=f"{user.user}-{self._random.getrandbits(40)}"
        )
        made.occurred_at.FromDatetime(self._occurred_at())
        _DEEDS.draw(made, self._random)
        return made

    def _occurred_at(self) -> datetime:
        draw, now = self._random.random(), self._now()
        if draw < 0.2:
            self._happened("late event")
            return now - timedelta(seconds=self._random.randint(1, 90))
        if draw < 0.3:
            self._happened("event of a clock that is ahead")
            return now + timedelta(seconds=self._random.randint(1, 120))
        return now

    def _poison(self) -> Entry:
        made = self._event()
        kind = self._random.randrange(5)
        if kind == 0:
            return Entry(log_key(self._random.choice(USERS)), b"\xff\xff not protobuf")
        if kind == 1:
            return Entry(b"\xff no key", b"\x08", (("ce_id", b"1"),))
        if kind == 2:
            made.occurred_at.FromDatetime(self._now() + timedelta(hours=1))
        elif kind == 3:
            made.type = events.EVENT_TYPE_UNSPECIFIED
        else:
            return Entry(log_key(UserKey("another", made.user_id)), made.SerializeToString())
        return to_entry(made)
