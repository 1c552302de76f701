"""What an import made, and what it left out and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.model import Entity
from attune.knowledge_store.redirects import Merge

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """Counts; of the bad lines, the first 20 are told. With `strict`, the first one ends the import; without
    `drop_merges`, merges of the catalog that is replaced end it, if their target did not come.
    """

    source: str
    strict: bool = False
    drop_merges: bool = False
    lines: int = 0
    """So many were read, whatever is in them."""
    entities: int = 0
    aliases: int = 0
    links: int = 0
    merges: int = 0
    subclasses: int = 0
    """So many classes counted besides those that were named."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many lines, names or links were not taken, by reason: they are as they should be, only not wanted."""
    dropped_merges: list[Merge] = field(default_factory=list)
    bad_lines: int = 0
    examples: list[BadLine] = field(default_factory=list)

    def leave_out(self, reason: str, count: int = 1) -> None:
        if count:
            self.left_out[reason] += count

    def bad(self, number: int, reason: str) -> None:
        """Counts a line (from 1) that cannot be read. Raises CatalogError instead, if strict."""
        if self.strict:
            raise CatalogError(f"{self.source}, line {number}: {reason}")
        self.bad_lines += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(BadLine(number, reason))

    def drop(self, merges: Sequence[Merge]) -> None:
        """Takes down merges that no service would load, since their target did not come. Raises CatalogError instead,
        unless they may be dropped.
        """
        if merges and not self.drop_merges:
            raise CatalogError(
                f"{self.source}: merges lead to entities that are not in it ({merges_in_words(merges)}), which no"
                " service would load: import what has the entities, undo these merges, or give --drop-merges"
            )
        self.dropped_merges += merges

    def without_entities(self, out: Path) -> CatalogError:
        """Says that nothing came of the import, and why as far as it is known."""
        reasons = [f"{reason}: {count}" for reason, count in self.left_out.most_common()]
        if self.bad_lines:
            first = self.examples[0]
            reasons.append(f"bad lines: {self.bad_lines}, the first is line {first.number}: {first.reason}")
        why = f" (left out: {'; '.join(reasons)})" if reasons else ""
        return CatalogError(
            f"{self.source}: {self.lines} lines were read, and no entity came of them{why}: give the format that the"
            f" file has, and filters that leave something; {out} is as it was"
        )

    def made(self, entity: Entity) -> None:
        self.entities += 1
        self.aliases += len(entity.aliases)
        self.links += len(entity.links)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "lines": self.lines,
            "entities": self.entities,
            "aliases": self.aliases,
            "links": self.links,
            "merges": self.merges,
            "subclasses": self.subclasses,
            "left_out": dict(self.left_out.most_common()),
            "dropped_merges": [{"merged": each.merged, "into": each.into} for each in self.dropped_merges],
            "bad_lines": self.bad_lines,
            "examples": [{"line": each.number, "reason": each.reason} for each in self.examples],
        }


def merges_in_words(merges: Sequence[Merge]) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(f'"{each.merged}" into "{each.into}"' for each in merges[:_SHOWN])
    return f"{shown} and {len(merges) - _SHOWN} more" if len(merges) > _SHOWN else shown
