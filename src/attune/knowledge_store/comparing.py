"""Two stores, user by user: what is in the one and not, or differently, in the other."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from attune.knowledge_store.model import UserKey
from attune.knowledge_store.record import UserRecord

Users = Iterator[tuple[UserKey, UserRecord]]


@dataclass(slots=True)
class Comparison:
    """Of a store, and of one that was built anew."""

    users: int = 0
    entities: int = 0
    users_anew: int = 0
    entities_anew: int = 0
    missing: int = 0
    """Users whom the one that was built anew does not have."""
    added: int = 0
    """Users whom it alone has."""
    changed: int = 0
    """Users whom both have, with other entities, counts, times or weights."""
    first: list[UserKey] = field(default_factory=list)
    """Some of these users, in order of both names."""

    @property
    def differing(self) -> int:
        return self.missing + self.added + self.changed


def compare(live: Users, anew: Users, most: int = 0) -> Comparison:
    """Goes through both, which are in order, at once; `first` has the first `most` users who differ."""
    found = Comparison()
    for user, held, built in _side_by_side(live, anew):
        found.users += held is not None
        found.users_anew += built is not None
        found.entities += 0 if held is None else len(held.states)
        found.entities_anew += 0 if built is None else len(built.states)
        found.missing += built is None
        found.added += held is None
        found.changed += held is not None and built is not None and held != built
        if held != built and len(found.first) < most:
            found.first.append(user)
    return found


def _side_by_side(live: Users, anew: Users) -> Iterator[tuple[UserKey, UserRecord | None, UserRecord | None]]:
    """Each user with the records of both, None for one that has none."""
    held, built = next(live, None), next(anew, None)
    while user := min((each[0] for each in (held, built) if each is not None), default=None):
        is_held = held is not None and held[0] == user
        is_built = built is not None and built[0] == user
        yield user, held[1] if held and is_held else None, built[1] if built and is_built else None
        held = next(live, None) if is_held else held
        built = next(anew, None) if is_built else built
