"""What an import made, and what it left out and why."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.model import Entity

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """Counts; of the bad lines, the first 20 are told. With `strict`, the first one ends the import."""

    source: str
    strict: bool = False
    entities: int = 0
    aliases: int = 0
    links: int = 0
    merges: int = 0
    subclasses: int = 0
    """So many classes counted besides those that were named."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many lines, names or links were not taken, by reason: they are as they should be, only not wanted."""
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

    def made(self, entity: Entity) -> None:
        self.entities += 1
        self.aliases += len(entity.aliases)
        self.links += len(entity.links)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "entities": self.entities,
            "aliases": self.aliases,
            "links": self.links,
            "merges": self.merges,
            "subclasses": self.subclasses,
            "left_out": dict(self.left_out.most_common()),
            "bad_lines": self.bad_lines,
            "examples": [{"line": each.number, "reason": each.reason} for each in self.examples],
        }
