"""A user's states of merged entities as those of the entities they were merged into.

Done when states are read: the store keeps what it was told under the ids it was told, so an undone merge needs no
rewriting of it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from attune.knowledge_store.model import EntityState
from attune.knowledge_store.redirects import Redirects


def fold(states: Iterable[EntityState], redirects: Redirects) -> list[EntityState]:
    """One user's states, one for each entity that is left: the largest rank first, ties by id, as a store has them.

    A state equals the one that would be had all observations been of the entity merged into, up to the rounding of sums
    in another order.
    """
    folded: dict[str, EntityState] = {}
    for state in states:
        entity_id = redirects.resolve(state.entity_id)
        held = folded.get(entity_id)
        state_ = state if state.entity_id == entity_id else replace(state, entity_id=entity_id)
        folded[entity_id] = state_ if held is None else _together(held, state_)
    return sorted(folded.values(), key=lambda state: (-state.rank, state.entity_id))


def _together(one: EntityState, other: EntityState) -> EntityState:
    """Two states of one entity as one. A decayed sum is linear: each decays to the later `last_seen`, and they add."""
    last_seen = max(one.last_seen, other.last_seen)
    return EntityState(
        entity_id=one.entity_id,
        counts=Counter(one.counts) + Counter(other.counts),
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=last_seen,
        weight=one.weight_at(last_seen) + other.weight_at(last_seen),
        recent=one.recent_at(last_seen) + other.recent_at(last_seen),
    )
