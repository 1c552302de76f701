"""The demo's steps against the running system, through the same client that callers use."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.search_pb2 import Hit
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.demo.result import Ranking, Result
from attune.services.client import Client

_HITS = 5
_TITLE = 80
_SUGGESTIONS = 5
_ENTITIES = 12
_VISIBLE_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.02


@contextmanager
def timed(result: Result, step: str) -> Iterator[None]:
    """Add the time of a step to the result."""
    started = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[step] = result.seconds.get(step, 0.0) + time.perf_counter() - started


def name_for_this_run(client: Client, user: str) -> str:
    """The user's id; a user that an earlier run forgot stays forgotten, so the next one is "bea-2", "bea-3", ..."""
    for number in itertools.count(1):
        name = user if number == 1 else f"{user}-{number}"
        if not client.profile(name).HasField("forgotten_at"):
            return name
    raise AssertionError("unreachable: itertools.count is endless")


def send(client: Client, events: Sequence[InteractionEvent], users: Sequence[str]) -> dict[str, int]:
    """Send the events and wait until they show in the store."""
    before = sum(client.profile(user).events for user in users)
    answer = client.record(events)
    if answer.rejected_count:
        first = answer.rejected[0]
        raise CorpusError(f"event {first.event_id}: {first.field}: {first.reason}")
    _wait(lambda: client.profile(users[0]).applied_offset >= answer.log_end_offset)
    after = sum(client.profile(user).events for user in users)
    return {"sent": answer.accepted, "new": after - before}


def rank(client: Client, query: str, user: str | None) -> Ranking:
    """The same query for a user, or for nobody."""
    answer = client.search(query, user=user or "", page_size=_HITS)
    return Ranking(user, query, [_hit(each) for each in answer.hits], answer.personalization.reason)


def suggest(client: Client, user: str, query: str) -> dict[str, Any]:
    """What the user may want to ask next, after a query."""
    answer = client.suggest(query, user=user, limit=_SUGGESTIONS)
    return {
        "user": user,
        "after": query,
        "queries": [each.text for each in answer.suggestions],
        "why": [each.rationale for each in answer.suggestions],
    }


def store_of(client: Client, user: str) -> dict[str, Any]:
    """What the store holds of a user: the heaviest entities."""
    entities = [
        {
            "id": each.entity_id,
            "label": each.label,
            "events": each.evidence.total,
            "weight": round(each.evidence.weight, 3),
            "last_seen": each.evidence.last_seen.ToJsonString(),
        }
        for each in client.entities(user)
    ]
    return {"user": user, "size": len(entities), "entities": entities[:_ENTITIES]}


def forget(client: Client, user: str) -> dict[str, Any]:
    """Forget a user, send nothing, and count what is left anywhere."""
    removed = dict(client.forget(user).removed)
    profile = client.profile(user)
    exported = [each for each in client.export(user) if each.WhichOneof("record") != "profile"]
    return {"user": user, "removed": removed, "remaining": profile.events + profile.entities + len(exported)}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.document.document_id,
        "title": hit.document.title or " ".join(hit.document.text.split())[:_TITLE],
        "score": round(hit.score, 4),
        "why": hit.explanation.summary,
        "plain_rank": hit.explanation.plain_rank,
    }


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _VISIBLE_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise CorpusError(f"the events did not show in the store within {_VISIBLE_WITHIN_S:.0f} s; see the log")
        time.sleep(_LOOK_EVERY_S)
