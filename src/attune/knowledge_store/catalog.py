"""The catalog: every entity that can be linked, read from JSON lines (catalog_lines.py has the format).

A link to an entity that the file does not have is dropped and counted.
"""

import codecs
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from attune.knowledge_store.catalog_lines import CatalogError, entity_line, parse_line
from attune.knowledge_store.merging import merge_entities
from attune.knowledge_store.model import Entity
from attune.knowledge_store.redirects import Merge, MergeError, Redirects

__all__ = ["Catalog", "CatalogError", "catalog_lines", "read_redirects"]

_VERSION_DIGITS = 12


class Catalog:
    """Entities by id, in the order of the file, with merges applied: the id of a merged entity finds what it became.

    `warnings` says what was left out of it.
    """

    def __init__(
        self, entities: Mapping[str, Entity], warnings: tuple[str, ...] = (), redirects: Redirects | None = None
    ) -> None:
        self.redirects = redirects or Redirects()
        self._entities = merge_entities(entities, self.redirects)
        self.warnings = warnings

    @classmethod
    def load(cls, source: Path | str | Iterable[str]) -> Self:
        """Reads a JSONL file (a path), or its lines. Raises CatalogError at the first line that is wrong."""
        if isinstance(source, str | Path):
            return cls._parse(catalog_lines(Path(source)), str(source))
        return cls._parse(source, "catalog")

    @classmethod
    def _parse(cls, lines: Iterable[str], name: str) -> Self:
        entities: dict[str, Entity] = {}
        merges: dict[str, Merge] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{name}, line {number}"
            record = parse_line(line, where)
            if isinstance(record, Merge):
                merges[where] = record
                continue
            if record.id in entities:
                raise CatalogError(f'{where}, field id: "{record.id}" is there already: give each entity its own id')
            entities[record.id] = record
        redirects = read_redirects(merges, entities)
        return cls.of(entities, redirects)

    @classmethod
    def of(cls, entities: Mapping[str, Entity], redirects: Redirects) -> Self:
        """From entities as they are in a file, by id, and its merges."""
        return cls(*_without_useless_links(entities, redirects), redirects)

    @cached_property
    def version(self) -> str:
        """12 hex digits of a SHA-256 of what the catalog says: of its entities, as a set, and of its merges.

        Neither the order of lines counts, nor how they are written, nor fields and links that are ignored.
        """
        whole = sha256()
        for digest in sorted(sha256(entity_line(entity).encode()).digest() for entity in self):
            whole.update(digest)
        for merged, into in sorted(self.redirects):
            whole.update(f"{merged}\0{into}\0".encode())
        return whole.hexdigest()[:_VERSION_DIGITS]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._entities.values())

    def __len__(self) -> int:
        return len(self._entities)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._entities or entity_id in self.redirects

    def __getitem__(self, entity_id: str) -> Entity:
        return self._entities[self.redirects.resolve(entity_id)]

    def get(self, entity_id: str) -> Entity | None:
        return self._entities.get(self.redirects.resolve(entity_id))


def catalog_lines(path: Path) -> Iterator[str]:
    """The lines of a file, decoded. Raises CatalogError where it cannot be read or is not UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}: give the path of a JSONL file of entities") from error
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise CatalogError(
                f"{path}, line {number}: byte {error.start} is not UTF-8: save the file as UTF-8"
            ) from error


def read_redirects(merges: Mapping[str, Merge], entities: Collection[str]) -> Redirects:
    """The merges, by where each stands, of a catalog that has these entities.

    The merged entity may be gone: its id may still be in stores. Raises CatalogError for a merge that cannot be, and
    for one whose target is not there.
    """
    try:
        redirects = Redirects(merges.values())
    except MergeError as error:
        where = next(place for place, merge in merges.items() if merge is error.merge)
        raise CatalogError(f"{where}: {error}") from error
    for where, merge in merges.items():
        if redirects.resolve(merge.into) not in entities:
            raise CatalogError(f'{where}, field into: there is no entity "{merge.into}": merge into one that there is')
    return redirects


def _without_useless_links(
    entities: Mapping[str, Entity], redirects: Redirects
) -> tuple[dict[str, Entity], tuple[str, ...]]:
    dangling = own = 0
    kept: dict[str, Entity] = {}
    for entity in entities.values():
        known = [link for link in entity.links if redirects.resolve(link.target) in entities]
        links = tuple(link for link in known if link.target != entity.id)
        own += len(known) - len(links)
        dangling += len(entity.links) - len(known)
        kept[entity.id] = replace(entity, links=links) if len(links) < len(entity.links) else entity
    return kept, tuple(_link_warnings(dangling, own))


def _link_warnings(dangling: int, own: int) -> Iterator[str]:
    if dangling:
        yield f"links dropped because their target is not in the catalog: {dangling}"
    if own:
        yield f"links dropped because they point at their own entity: {own}"
