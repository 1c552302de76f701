"""The state of a store in numbers: sizes, duplicates, what no catalog knows any more, and junk (junk.py has the rules).

Read from one dump, in memory that does not grow with the users. Users' names appear nowhere in it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.codec import encode, encode_digests
from attune.knowledge_store.junk import RULES, Rule, is_faint, junk_of_names
from attune.knowledge_store.kept import KeptObject, KeptTombstone, KeptUser
from attune.knowledge_store.model import Entity, EntityState, UserKey
from attune.knowledge_store.normalization import normalize_name
from attune.knowledge_store.store import Store

DECAYED_AWAY = 0.01
_EXAMPLES = 8
Read = Callable[[UserKey, str], Collection[str]]


def _not_known(_user: UserKey, _entity_id: str) -> Collection[str]:
    """A store keeps no texts: by which alias an entity was found is not known."""
    return ()


@dataclass(slots=True)
class Audit:
    """Counts are of entity states, which are pairs of a user and an entity, unless the name says otherwise."""

    users: int = 0
    entities: int = 0
    events: int = 0
    tombstones: int = 0
    objects: int = 0
    readings: int = 0
    """Documents that users have read, or rejected."""
    statements: int = 0
    bytes_of_records: int = 0
    bytes_on_disk: int | None = None
    duplicates: int = 0
    """States beyond the first of a user's whose entities have one label."""
    negative: int = 0
    decayed_away: int = 0
    """Neither negative nor of a weight of DECAYED_AWAY now."""
    junk: int = 0
    junk_by_any_alias: int = 0
    """What junk would be if each entity had been found by the worst of its names: more it cannot be."""
    of_user: Counter[int] = field(default_factory=Counter)
    """How many users have so many entities."""
    by_rule: dict[Rule, Counter[str]] = field(default_factory=lambda: {rule: Counter() for rule in Rule})
    """How often each label (of orphans: each id) fell under the rule."""

    @property
    def junk_rate(self) -> float:
        """The share of entity states that fall under a rule."""
        return self.junk / max(1, self.entities)

    def quantile(self, share: float) -> int:
        """Of entities a user; the smallest number that so large a share of the users does not exceed."""
        below = 0
        for number in sorted(self.of_user):
            below += self.of_user[number]
            if below >= share * self.users:
                return number
        return 0

    def examples(self, rule: Rule) -> list[str]:
        """The labels that fell under it most often."""
        most = sorted(self.by_rule[rule].items(), key=lambda item: (-item[1], item[0]))
        return [label for label, _ in most[:_EXAMPLES]]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        counted = (
            "users",
            "entities",
            "events",
            "readings",
            "statements",
            "tombstones",
            "objects",
            "duplicates",
            "negative",
            "decayed_away",
        )
        users, on_disk = max(1, self.users), self.bytes_on_disk
        return {
            **{name: getattr(self, name) for name in counted},
            "entities_per_user": {
                "min": self.quantile(0),
                "median": self.quantile(0.5),
                "p95": self.quantile(0.95),
                "max": self.quantile(1),
            },
            "bytes_of_records_per_user": self.bytes_of_records / users,
            "bytes_on_disk_per_user": None if on_disk is None else on_disk / users,
            "bytes_on_disk": on_disk,
            "junk": self.junk,
            "junk_rate": self.junk_rate,
            "junk_rate_by_any_alias": self.junk_by_any_alias / max(1, self.entities),
            "rules": {
                str(rule): {
                    "holds": holds,
                    "count": self.by_rule[rule].total(),
                    "examples": self.examples(rule),
                }
                for rule, holds in RULES.items()
            },
        }


def audit(store: Store, catalog: Catalog, now: datetime, read: Read = _not_known) -> Audit:
    """Looks at everything in the store, as of one moment. `read` tells by which names an entity was found, if known."""
    found = Audit(bytes_on_disk=store.size())
    for each in store.dump():
        match each:
            case KeptUser():
                _count_user(found, each, catalog, now, read)
            case KeptTombstone():
                found.tombstones += 1
            case KeptObject():
                found.objects += 1
    return found


def _count_user(found: Audit, kept: KeptUser, catalog: Catalog, now: datetime, read: Read) -> None:
    record, states = kept.record, kept.record.states.values()
    found.users += 1
    found.events += record.events
    found.readings += len(record.readings)
    found.statements += len(record.statements)
    found.entities += len(states)
    found.of_user[len(states)] += 1
    found.bytes_of_records += len(encode(record)) + len(encode_digests(record))
    found.duplicates += sum(count - 1 for count in Counter(_labels(states, catalog)).values())
    for state in states:
        weight = state.weight_at(now)
        found.negative += weight < 0
        found.decayed_away += 0 <= weight < DECAYED_AWAY
        _count_junk(found, state, catalog.get(state.entity_id), read(kept.user, state.entity_id))


def _count_junk(found: Audit, state: EntityState, entity: Entity | None, read: Collection[str]) -> None:
    if entity is None:
        rules = any_alias = {Rule.ORPHANED}
    else:
        rules = junk_of_names({entity.label, *read})
        any_alias = junk_of_names({entity.label, *read, *entity.aliases})
    if is_faint(state):
        rules, any_alias = rules | {Rule.FAINT}, any_alias | {Rule.FAINT}
    found.junk += bool(rules)
    found.junk_by_any_alias += bool(any_alias)
    for rule in rules:
        found.by_rule[rule][state.entity_id if entity is None else entity.label] += 1


def _labels(states: Collection[EntityState], catalog: Catalog) -> Iterator[str]:
    entities = (catalog.get(state.entity_id) for state in states)
    return (normalize_name(entity.label) for entity in entities if entity is not None)
