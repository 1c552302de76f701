"""The domain's vocabulary: who did what, to which entity, and what remains of it.

Every type is immutable; an interaction becomes observations (projection.py), observations fold into entity states
(here).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Self

HALF_LIFE = timedelta(days=30)
RECENT_HALF_LIFE = timedelta(days=3)
FROM_STORE = "store"
"""`Summary.made_by` where no language model was asked."""

_LANDMARK = datetime.min.replace(tzinfo=UTC)
_SMALLEST_EXPONENT = 1100  # below -log2 of the smallest positive double (1074)


class EventKind(StrEnum):
    """OpenSearch User Behavior Insights' interactions, feedback on suggestions, and what users say of themselves."""

    QUERY = "query"
    IMPRESSION = "impression"
    CLICK = "click"
    VIEW = "view"
    DWELL = "dwell"
    REFORMULATION = "reformulation"
    SUGGESTION_SHOWN = "suggestion_shown"
    SUGGESTION_ACCEPTED = "suggestion_accepted"
    FEEDBACK = "feedback"
    SUGGESTION_REMOVED = "suggestion_removed"
    STATEMENT = "statement"


class Source(StrEnum):
    """Where an entity was seen: in the user's words, in a document that the user read, or in what attune proposed."""

    QUERY = "query"
    DOCUMENT = "document"
    SUGGESTION = "suggestion"


def require_identifier(value: str, name: str) -> None:
    """Raises ValueError unless `value` can be a key: not empty, and valid Unicode (no lone surrogates)."""
    if not value:
        raise ValueError(f"{name} is empty: give the identifier")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has a lone surrogate at character {error.start}: send valid UTF-8") from error


def require_utc(value: datetime, name: str) -> None:
    """Raises ValueError unless `value` is aware and in UTC."""
    if value.utcoffset() != timedelta(0):
        raise ValueError(f"{name} is {value.isoformat()}: convert it with astimezone(UTC)")


@dataclass(frozen=True, slots=True, order=True)
class UserKey:
    """One user of one tenant. Any two keys that differ in the tenant are strangers to each other."""

    tenant: str
    user: str

    def __post_init__(self) -> None:
        require_identifier(self.tenant, "tenant")
        require_identifier(self.user, "user")

    @property
    def digest(self) -> bytes:
        """16 bytes that recognise the user when the name must not be kept, as in a tombstone.

        The length tells "a", "bc" from "ab", "c".
        """
        tenant = self.tenant.encode()
        return blake2b(len(tenant).to_bytes(4, "big") + tenant + self.user.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Interaction:
    """One event of the interaction log, as it happened (`occurred_at`) and as the log took it (`logged_at`), both UTC.

    Raises ValueError naming the field for an empty identifier, a time that is not UTC, and a negative dwell or
    position.
    """

    event_id: str
    user: UserKey
    kind: EventKind
    occurred_at: datetime
    logged_at: datetime
    session_id: str = ""
    query_id: str = ""
    user_query: str = ""
    object_id: str = ""
    position: int | None = None
    dwell_ms: int | None = None
    previous_query_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    entity_ids: tuple[str, ...] = ()
    """What a removed suggestion was about, or the entities that feedback is on."""

    def __post_init__(self) -> None:
        require_identifier(self.event_id, "event_id")
        require_utc(self.occurred_at, "occurred_at")
        require_utc(self.logged_at, "logged_at")
        if self.object_id:
            require_identifier(self.object_id, "object_id")
        for entity_id in self.entity_ids:
            require_identifier(entity_id, "entity_ids")
        for name, value in (("dwell_ms", self.dwell_ms), ("position", self.position)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}: give a number that is not negative, or leave it out")


@dataclass(frozen=True, slots=True)
class Link:
    """A labelled edge of the catalog, from the entity that holds it to `target` (an entity id)."""

    relation: str
    target: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing that can be known: its preferred label, its other names, and what it is linked to."""

    id: str
    label: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkedEntity:
    """An entity of a document; `salience` in (0, 1], 1 for the document's main entity."""

    entity_id: str
    salience: float


@dataclass(frozen=True, slots=True)
class Companion:
    """An entity that the same users care about (cooccurrence.py); `strength` between 0 and 1."""

    entity_id: str
    users: int
    strength: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A user in a few words (summary.py), and where they come from. Raises ValueError for a time that is not UTC."""

    text: str
    version: int
    """1 for the first of the user, then counted up; anew once the user was forgotten."""
    events: int
    """The watermark: how many of the user's events were counted when it was made."""
    made_at: datetime
    made_by: str
    """FROM_STORE, or the name of the language model."""

    def __post_init__(self) -> None:
        require_utc(self.made_at, "made_at")


@dataclass(frozen=True, slots=True)
class Observation:
    """One sighting of an entity by a user; a negative weight says that the user rejected it."""

    entity_id: str
    kind: EventKind
    source: Source
    at: datetime
    weight: float
    other_ids: tuple[str, ...] = ()
    """The ids under which the same entity went before merges, or goes after them: to forget one of them concerns it."""


@dataclass(frozen=True, slots=True)
class EntityState:
    """All that is kept of one user and one entity.

    `weight` is the exponentially decayed sum of the observations' weights, as of `last_seen`: w = sum_i w_i 2^(-(t -
    t_i)/h) with h = HALF_LIFE (Cormode et al., "Forward Decay", ICDE 2009, section III.A). It is negative for a
    rejected entity. `recent` is the same with h = RECENT_HALF_LIFE: what the user is at these days, beside what the
    user cares about.
    """

    entity_id: str
    counts: Mapping[tuple[EventKind, Source], int]
    first_seen: datetime
    last_seen: datetime
    weight: float
    recent: float

    @classmethod
    def first(cls, seen: Observation) -> Self:
        return cls(seen.entity_id, {(seen.kind, seen.source): 1}, seen.at, seen.at, seen.weight, seen.weight)

    def observed(self, seen: Observation) -> "EntityState":
        """The state after one more observation, which may be older than the newest."""
        last_seen = max(self.last_seen, seen.at)
        since_held, since_seen = last_seen - self.last_seen, last_seen - seen.at
        key = (seen.kind, seen.source)
        return EntityState(
            entity_id=self.entity_id,
            counts={**self.counts, key: self.counts.get(key, 0) + 1},
            first_seen=min(self.first_seen, seen.at),
            last_seen=last_seen,
            weight=self.weight * decay(since_held) + seen.weight * decay(since_seen),
            recent=self.recent * decay_fast(since_held) + seen.weight * decay_fast(since_seen),
        )

    @property
    def count(self) -> int:
        """How often the entity was seen, over all kinds and sources."""
        return sum(self.counts.values())

    @property
    def rank(self) -> float:
        """The weight on a scale that time does not change, so that an index can hold it: a larger rank is a larger
        weight.

        sign(w) (1100 + log2|w| + (last_seen - year 1)/h): all weights decay alike, so their order at one moment is
        their order at every moment (the landmark form of "Forward Decay", in logarithms; the sign and offset are ours).
        """
        if not self.weight:
            return 0.0
        age = (self.last_seen - _LANDMARK) / HALF_LIFE
        return math.copysign(_SMALLEST_EXPONENT + math.log2(abs(self.weight)) + age, self.weight)

    def weight_at(self, now: datetime) -> float:
        """The weight decayed to `now`; a `now` before `last_seen` decays nothing."""
        return self.weight * decay(max(now - self.last_seen, timedelta(0)))

    def recent_at(self, now: datetime) -> float:
        """As `weight_at`, of `recent`."""
        return self.recent * decay_fast(max(now - self.last_seen, timedelta(0)))


def decay(elapsed: timedelta) -> float:
    """2^(-elapsed/h), the share of a weight that is left after `elapsed`."""
    return float(0.5 ** (elapsed / HALF_LIFE))


def decay_fast(elapsed: timedelta) -> float:
    """The same of a recent weight."""
    return float(0.5 ** (elapsed / RECENT_HALF_LIFE))


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far one partition of an event log has been read: the next offset to read.

    `epoch` is that of the claim by which it is read; 0 where nobody claims partitions, for there is one reader.
    """

    log: str
    partition: int
    next_offset: int
    epoch: int = 0
