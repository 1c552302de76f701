"""One's own products as entities, and what they are grouped by (categories, brands) as entities too."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.model import Entity, Link
from attune.knowledge_store.normalization import normalize_name

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProductColumns:
    """Which column says what. A cell may have several values: a list in JSON, or text with `separator` between them."""

    id: str
    label: str
    aliases: Sequence[str] = ()
    description: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    """Column to relation: each distinct value becomes an entity, `column:value`, which the products link to."""
    separator: str = ""

    @property
    def all(self) -> list[str]:
        wanted = (self.id, self.label, *self.aliases, self.description, *self.links)
        return [column for column in wanted if column]

    def values(self, row: Row, column: str) -> list[str]:
        """The values of a cell, without white space around them and without empty ones."""
        cell = row.get(column)
        values = cell if isinstance(cell, list) else [cell]
        if self.separator:
            values = [part for value in values if value is not None for part in str(value).split(self.separator)]
        return [text for value in values if value is not None and (text := str(value).strip())]

    def text(self, row: Row, column: str) -> str:
        """A cell that has one value, as it is."""
        cell = row.get(column) if column else None
        return "" if cell is None else str(cell).strip()


def product_entities(
    rows: Iterable[tuple[int, Row]], columns: ProductColumns, report: ImportReport
) -> Iterator[Entity]:
    """The products of numbered rows, then what they link to. Held in memory: the ids, and the values of link columns.

    Raises CatalogError for an id that comes twice, and for a column that no row has.
    """
    lines: dict[str, int] = {}
    groups = _Groups()
    seen: dict[str, None] = {}
    for number, row in rows:
        seen |= dict.fromkeys(row)
        entity_id, label = columns.text(row, columns.id), columns.text(row, columns.label)
        if not (entity_id and label):
            empty = columns.label if entity_id else columns.id
            report.bad(number, f'column "{empty}" is empty or not there; there are: {", ".join(row)}')
            continue
        _require_new(entity_id, number, lines, columns, report)
        yield Entity(
            entity_id,
            label,
            tuple(name for column in columns.aliases for name in columns.values(row, column)),
            columns.text(row, columns.description),
            tuple(_links(row, columns, groups, report)),
        )
    missing = [column for column in columns.all if column not in seen]
    if missing and seen:
        raise CatalogError(f'{report.source}: there is no column "{missing[0]}"; there are: {", ".join(seen)}')
    for group in groups.entities():
        if group.id in lines:
            raise CatalogError(
                f'{report.source}, line {lines[group.id]}: the id "{group.id}" is that of a group of products too: '
                "rename the column of the group, or the product"
            )
        yield group


def _require_new(
    entity_id: str, number: int, lines: dict[str, int], columns: ProductColumns, report: ImportReport
) -> None:
    if entity_id in lines:
        raise CatalogError(
            f'{report.source}, line {number}, column {columns.id}: "{entity_id}" is in line {lines[entity_id]} '
            "already: give each product an id of its own, or choose another column for --id"
        )
    lines[entity_id] = number


def _links(row: Row, columns: ProductColumns, groups: "_Groups", report: ImportReport) -> Iterator[Link]:
    for column, relation in columns.links.items():
        for value in columns.values(row, column):
            target = groups.id_of(column, value)
            if target:
                yield Link(relation, target)
            else:
                report.leave_out("values of link columns without a letter or digit")


class _Groups:
    """The values of link columns: those that differ in case, marks or punctuation only are one."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def id_of(self, column: str, value: str) -> str:
        """Empty for a value without a letter or digit."""
        slug = _slug(value)
        if not slug:
            return ""
        entity_id = f"{column}:{slug}"
        self._names.setdefault(entity_id, {})[value] = None
        return entity_id

    def entities(self) -> Iterator[Entity]:
        """The first spelling is the label, others are aliases."""
        for entity_id, (label, *others) in self._names.items():
            yield Entity(entity_id, label, tuple(others))


def _slug(value: str) -> str:
    """Words with hyphens between them, in any script; marks belong to their letters."""
    name = unicodedata.normalize("NFC", normalize_name(value))
    kept = (each if each.isalnum() or unicodedata.category(each)[0] == "M" else " " for each in name)
    return "-".join("".join(kept).split())
