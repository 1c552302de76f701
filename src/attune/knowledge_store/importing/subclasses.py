"""The subclasses that a dump of Wikidata tells of: what its own items state by P279.

A dump that was cut down to instances of classes, without the classes themselves, tells of none.
"""

import json
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from attune.knowledge_store.importing.wikidata import SUBCLASS_OF, ItemIds, best_items, item_number

_NEEDLE = b'"P279"'


def subclasses_of(classes: Iterable[str], lines: Iterable[tuple[int, bytes]]) -> ItemIds:
    """All subclasses of the classes, theirs too, in a dump's numbered lines; the classes themselves are none of them.

    Keeps 8 bytes for each statement. Lines that cannot be read tell nothing: whoever reads the entities reports them.
    """
    numbers = array("I")  # a subclass, what it is a subclass of, and so on
    for _, line in lines:
        if _NEEDLE in line:
            numbers.extend(_statements(line))
    subclasses, superclasses = np.array(numbers, np.uint32).reshape(-1, 2).T
    in_order = np.argsort(superclasses, kind="stable")
    subclasses, superclasses = subclasses[in_order], superclasses[in_order]
    found = ItemIds()
    named = waiting = {number for each in classes if (number := item_number(each)) is not None}
    seen = set(named)
    while waiting:
        above = np.array(sorted(waiting), np.uint32)
        starts, ends = (np.searchsorted(superclasses, above, side) for side in ("left", "right"))
        below = {int(each) for start, end in zip(starts, ends, strict=True) for each in subclasses[start:end]}
        waiting = below - seen
        seen |= waiting
    for number in seen - named:
        found.add(f"Q{number}")
    return found


def _statements(line: bytes) -> Iterator[int]:
    try:
        fields = json.loads(line.strip().removesuffix(b","))
        item = item_number(fields["id"])
        targets = [item_number(each) for each in best_items(fields["claims"][SUBCLASS_OF])]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, IndexError):
        return
    for target in targets:
        if item is not None and target is not None:
            yield from (item, target)
