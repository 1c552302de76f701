"""What holds in a session, in this process's memory: ids and vectors, never text; bounded, and only for a while.

Everything is said by the user, so the last word counts: a document that was rejected and then pinned is pinned. Another
replica knows nothing of it, nor does this one after a restart; what must last is in the event log, and so in the
knowledge store and in training. For the event loop's thread alone.
"""

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from hashlib import blake2b
from typing import TypeAlias

from attune.services.search.feedback.parts import Part

LIFETIME = timedelta(minutes=30)
"""After the last search or feedback of the session."""
MOST_BYTES = 64 << 20
"""Of all sessions; those that were not used for the longest go first."""
MOST_CORRECTIONS = 100
"""Of one session; the oldest go first."""
_OVERHEAD = 400
"""Bytes of a correction, about, beside the ids and vectors in it."""


class Placement(Enum):
    """Where the user wants a document."""

    PINNED = "pinned"
    REJECTED = "rejected"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Placed:
    """The user wants a document there."""

    document_id: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class NotAbout:
    """The user does not mean these entities."""

    entity_ids: tuple[str, ...]


Correction: TypeAlias = Placed | NotAbout | Part


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A visit of one user of one tenant."""

    tenant: str
    user: str
    session: str


@dataclass(frozen=True, slots=True)
class SessionFeedback:
    """What holds in a session."""

    pinned: tuple[str, ...] = ()
    """The one pinned last comes first."""
    rejected: frozenset[str] = frozenset()
    not_about: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was corrected."""
        return not (self.pinned or self.rejected or self.not_about or self.parts)


NO_FEEDBACK = SessionFeedback()


class MixedSourcesError(Exception):
    """A person and a program that plays one gave feedback in the same session."""


@dataclass(frozen=True, slots=True)
class _Said:
    at: datetime
    request: bytes
    correction: Correction

    @property
    def size(self) -> int:
        match self.correction:
            case Placed(document_id):
                return _OVERHEAD + len(document_id)
            case NotAbout(entity_ids):
                return _OVERHEAD + sum(map(len, entity_ids))
            case Part() as part:
                return _OVERHEAD + (part.replacement.size if part.replacement else 0)


@dataclass(slots=True)
class _Session:
    is_simulated: bool
    used: datetime
    said: deque[_Said] = field(default_factory=deque)

    @property
    def size(self) -> int:
        return _OVERHEAD + sum(each.size for each in self.said)


class SessionMemory:
    """The corrections of all sessions that are going on."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, lifetime: timedelta = LIFETIME) -> None:
        self.key = secrets.token_bytes(32)
        """What digests of parts are made with."""
        self._most_bytes = most_bytes
        self._lifetime = lifetime
        self._sessions: OrderedDict[SessionKey, _Session] = OrderedDict()
        self.size = 0
        """In bytes, about."""

    def add(
        self, key: SessionKey, request_id: str, correction: Correction, now: datetime, *, is_simulated: bool = False
    ) -> None:
        """Keep a correction; once, however often it comes with this request_id.

        Raises:
            MixedSourcesError: until now, the session was of people, or of programs, alone.
        """
        self.require_source(key, now, is_simulated=is_simulated)
        session = self._sessions.setdefault(key, _Session(is_simulated, now))
        request = blake2b(request_id.encode(), digest_size=16).digest()
        before = session.size if session.said else 0
        if all(each.request != request for each in session.said):
            session.said.append(_Said(now, request, correction))
        while len(session.said) > MOST_CORRECTIONS:
            session.said.popleft()
        self.size += session.size - before
        self._used(key, session, now)
        while self.size > self._most_bytes:
            self._drop(next(iter(self._sessions)))

    def require_source(self, key: SessionKey, now: datetime, *, is_simulated: bool) -> None:
        """Raises MixedSourcesError where the session has feedback of the other kind."""
        self._expire(now)
        if key in self._sessions and self._sessions[key].is_simulated != is_simulated:
            raise MixedSourcesError

    def of(self, key: SessionKey, now: datetime, until: datetime | None = None) -> SessionFeedback:
        """What holds now; with `until`, what held then, of which a list's later pages are made."""
        self._expire(now)
        session = self._sessions.get(key)
        if session is None:
            return NO_FEEDBACK
        self._used(key, session, now)
        return _folded(each.correction for each in session.said if until is None or each.at <= until)

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def _used(self, key: SessionKey, session: _Session, now: datetime) -> None:
        session.used = max(session.used, now)
        self._sessions.move_to_end(key)

    def _expire(self, now: datetime) -> None:
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if oldest.used + self._lifetime > now:
                return
            self._drop(key)

    def _drop(self, key: SessionKey) -> None:
        self.size -= self._sessions.pop(key).size


def _folded(corrections: Iterable[Correction]) -> SessionFeedback:
    places: dict[str, Placement] = {}
    entities: set[str] = set()
    parts: dict[bytes, Part] = {}
    for each in corrections:
        match each:
            case Placed(document_id, placement):
                places.pop(document_id, None)
                places[document_id] = placement
            case NotAbout(entity_ids):
                entities.update(entity_ids)
            case Part(digest):
                parts[digest] = each
    pinned = [document_id for document_id, placement in places.items() if placement is Placement.PINNED]
    rejected = frozenset(document_id for document_id, placement in places.items() if placement is Placement.REJECTED)
    return SessionFeedback(tuple(reversed(pinned)), rejected, frozenset(entities), tuple(parts.values()))
