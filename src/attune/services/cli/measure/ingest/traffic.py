"""Events as many users make them: queries that name something of the catalog, and words around it."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random

from attune.services.client.events import interaction
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.port import Entry, EventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.stores import open_event_log

TENANT = "bench"
_WORDS = ("how", "why", "best", "near", "history of", "price", "review", "2026", "compare", "what is")
_AT_ONCE = 500
_TURN_S = 0.05


def events(labels: Sequence[str], users: int, number: int, seed: int) -> Iterator[Entry]:
    """`number` queries of users drawn at random, of one or two things of the catalog. Seeded but for their times."""
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for place in range(number):
        named = random.sample(labels, random.choice((1, 1, 2)))
        query = f"{random.choice(_WORDS)} {' '.join(named)}"
        user, event_id = f"user-{random.randrange(users)}", f"{seed}-{place}"
        event = interaction(user, "query", datetime.now(UTC), query=query, event_id=event_id)
        event.tenant_id = TENANT
        yield to_entry(event)


def append(log: EventLog, entries: Iterator[Entry]) -> None:
    """Append all, some hundred at a time."""
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _AT_ONCE:
            log.append(TOPIC, batch, datetime.now(UTC))
            batch.clear()
    if batch:
        log.append(TOPIC, batch, datetime.now(UTC))


def append_steadily(config: Config, labels: Sequence[str], users: int, rate: int, seconds: float, seed: int) -> None:
    """In a process of its own: `rate` events a second, twenty times a second some."""
    log = open_event_log(config)
    made = events(labels, users, int(rate * seconds), seed)
    started, sent = time.perf_counter(), 0
    while sent < int(rate * seconds):
        due = min(int(rate * (time.perf_counter() - started)), int(rate * seconds))
        if due > sent:
            log.append(TOPIC, [next(made) for _ in range(due - sent)], datetime.now(UTC))
            sent = due
        time.sleep(_TURN_S)
    log.close()
