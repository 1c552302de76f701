"""The kinds of calls that make up the traffic, in the shares that they have in it.

The shares are assumed, as those of an application with a search field: to ten searches come fifteen completions, and
after each the user's doings are recorded. The texts are those of the data: its queries, or titles where it has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.search_pb2 import Document
from attune.services.cli.measure.system.ledger import Ledger, RefusedEventsError
from attune.services.client import Client, feedback, interaction

SHARES: Mapping[str, int] = {
    "complete": 30,
    "search": 20,
    "record": 20,
    "suggest": 8,
    "retrieve": 5,
    "embed": 5,
    "profile": 4,
    "entities": 3,
    "feedback": 3,
    "index": 2,
}
"""Percent."""
_ANONYMOUS = 0.2
_SHOWN = 3
_PAGE = 20


@dataclass(frozen=True)
class Material:
    """What users ask and read."""

    queries: Sequence[str]
    documents: Sequence[Document]
    users: Sequence[str] = field(default_factory=lambda: [f"user-{number}" for number in range(200)])

    @property
    def critics(self) -> Sequence[str]:
        """Users who give feedback and send no events, so that those of the others can be counted."""
        return [f"critic-{number}" for number in range(20)]


class Asking:
    """One thread's calls, each of a user drawn anew."""

    def __init__(self, client: Client, material: Material, ledger: Ledger, random: Random) -> None:
        self._client = client
        self._material = material
        self._ledger = ledger
        self._random = random
        self._shown = [each.document_id for each in material.documents[:_SHOWN]]
        self._kinds = {
            "complete": self._complete,
            "search": self._search,
            "record": self._record,
            "suggest": lambda: self._client.suggest(self._query(), user=self._user()),
            "retrieve": lambda: self._client.retrieve(self._user(), query=self._query()),
            "embed": lambda: self._client.embed([self._query()], query=True),
            "profile": lambda: self._client.profile(self._user()),
            "entities": lambda: list(islice(self._client.entities(self._user(), page_size=_PAGE), _PAGE)),
            "feedback": self._feedback,
            "index": self._index,
        }

    def ask(self, kind: str) -> Any:
        """Make a call of a kind and return its answer. Raises what the client does, and RefusedEventsError."""
        return self._kinds[kind]()

    def _complete(self) -> Any:
        query = self._query()
        return self._client.complete(query[: self._random.randint(1, len(query))], user=self._user())

    def _search(self) -> Any:
        user = "" if self._random.random() < _ANONYMOUS else self._user()
        answer = self._client.search(self._query(), user=user)
        self._shown = [hit.document.document_id for hit in answer.hits[:_SHOWN]] or self._shown
        return answer

    def _record(self) -> None:
        """What a user did with a page of results: it was shown, one was opened, and read for a while."""
        self._ledger.record(self._client, self._visit(self._user(), datetime.now(UTC)))

    def _visit(self, user: str, now: datetime) -> list[InteractionEvent]:
        session, opened = f"session-{self._random.getrandbits(64):x}", self._random.choice(self._shown)
        shown = [
            interaction(user, "impression", now, object_id=each, position=place, session_id=session)
            for place, each in enumerate(self._shown, start=1)
        ]
        return [
            interaction(user, "query", now, query=self._query(), session_id=session),
            *shown,
            interaction(user, "click", now, object_id=opened, position=1, session_id=session),
            interaction(user, "dwell", now, object_id=opened, dwell_ms=45_000, session_id=session),
        ]

    def _feedback(self) -> Any:
        critic, verdict = self._random.choice(self._material.critics), self._random.choice(["relevant", "irrelevant"])
        request = feedback(critic, session=critic, document=self._random.choice(self._shown), verdict=verdict)
        return self._client.submit_feedback(request)

    def _index(self) -> Any:
        """A document that says something new: half of them are changed, the others are as they were."""
        drawn = self._random.choice(self._material.documents)
        changed = Document()
        changed.CopyFrom(drawn)
        changed.text += f" {self._random.randrange(2) * self._random.getrandbits(32):x}"
        answer = self._client.index([changed])
        if answer.rejected_count:
            raise RefusedEventsError
        return answer

    def _query(self) -> str:
        return self._random.choice(self._material.queries)

    def _user(self) -> str:
        return self._random.choice(self._material.users)


def stages_of(answer: Any) -> dict[str, float]:
    """Milliseconds by stage, where an answer tells them; nothing elsewhere."""
    timings = getattr(answer, "timings", None)
    return {} if timings is None else {each.name.removesuffix("_ms"): value for each, value in timings.ListFields()}
