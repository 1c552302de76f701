"""Merges of entities: which ids stand for other ids now.

A merge is a record beside the entities, never a change of them. So undoing one, which takes the record away, leaves
exactly what there was before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merge:
    """The entity `merged` is the same thing as `into`, and goes by that id from now on."""

    merged: str
    into: str


class MergeError(ValueError):
    """A merge that cannot be: says why and the mend."""

    def __init__(self, merge: Merge, sentence: str) -> None:
        super().__init__(sentence)
        self.merge = merge


class Redirects:
    """The merges of a catalog, in any order; a chain of them leads to its end.

    Immutable. Raises MergeError for a merge into itself, a second merge of an entity, and a cycle.
    """

    def __init__(self, merges: Iterable[Merge] = ()) -> None:
        toward: dict[str, str] = {}
        for merge in merges:
            _add(toward, merge)
        self._ends = {merged: _end(toward, merged) for merged in toward}
        self._merged: dict[str, list[str]] = {}
        for merged, end in self._ends.items():
            self._merged.setdefault(end, []).append(merged)

    def resolve(self, entity_id: str) -> str:
        """The id that it goes by: that of the entity it was merged into, else itself."""
        return self._ends.get(entity_id, entity_id)

    def merged_into(self, entity_id: str) -> tuple[str, ...]:
        """The other ids that resolve to this one."""
        return tuple(self._merged.get(entity_id, ()))

    def other_ids(self, entity_id: str) -> tuple[str, ...]:
        """All other ids of what is the same entity now."""
        end = self.resolve(entity_id)
        return tuple(each for each in (end, *self.merged_into(end)) if each != entity_id)

    def __contains__(self, entity_id: object) -> bool:
        """Whether the entity was merged into another one."""
        return entity_id in self._ends

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Pairs (merged id, the id that it resolves to)."""
        return iter(self._ends.items())

    def __len__(self) -> int:
        return len(self._ends)


def consistent(merges: Iterable[Merge]) -> tuple[list[Merge], list[MergeError]]:
    """The merges that can be, in their order, and why the others cannot: each is held against those before it."""
    toward: dict[str, str] = {}
    kept: list[Merge] = []
    refused: list[MergeError] = []
    for merge in merges:
        try:
            _add(toward, merge)
        except MergeError as error:
            refused.append(error)
        else:
            kept.append(merge)
    return kept, refused


def _add(toward: dict[str, str], merge: Merge) -> None:
    if merge.merged == merge.into:
        raise MergeError(merge, f'"{merge.merged}" cannot be merged into itself: name another entity')
    if merge.merged in toward:
        raise MergeError(
            merge,
            f'"{merge.merged}" is merged into "{_end(toward, merge.merged)}" already: undo that merge first',
        )
    if _end(toward, merge.into) == merge.merged:
        raise MergeError(
            merge,
            f'"{merge.into}" is merged into "{merge.merged}" already, the other way round would close a cycle: '
            "undo that merge first",
        )
    toward[merge.merged] = merge.into


def _end(toward: dict[str, str], entity_id: str) -> str:
    """Where the chain from an id ends. Shortens the way, so that a long chain is not walked again and again."""
    passed = []
    while entity_id in toward:
        passed.append(entity_id)
        entity_id = toward[entity_id]
    for each in passed:
        toward[each] = entity_id
    return entity_id
