"""The catalog: every entity that can be linked, read from JSON lines.

One object a line: {"id", "label", "aliases": [...], "description", "links": [{"relation", "target"}, ...]}; `id` and
`label` are required, other fields may be present and are ignored. A link to an entity that the file does not have is
dropped and counted.
"""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from attune.knowledge_store.model import Entity, Link, require_identifier

_Item = TypeVar("_Item")


class CatalogError(ValueError):
    """A catalog that cannot be used: says the file, the line, the field and the mend."""


class Catalog:
    """Entities by id, in the order of the file. `warnings` says what was left out of it."""

    def __init__(self, entities: Mapping[str, Entity], warnings: tuple[str, ...] = ()) -> None:
        self._entities = dict(entities)
        self.warnings = warnings

    @classmethod
    def load(cls, source: Path | str | Iterable[str]) -> Self:
        """Reads a JSONL file (a path), or its lines. Raises CatalogError at the first line that is wrong."""
        if isinstance(source, str | Path):
            return cls._parse(_lines(Path(source)), str(source))
        return cls._parse(source, "catalog")

    @classmethod
    def _parse(cls, lines: Iterable[str], name: str) -> Self:
        entities: dict[str, Entity] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{name}, line {number}"
            entity = _entity(_json_object(line, where), where)
            if entity.id in entities:
                raise CatalogError(f'{where}, field id: "{entity.id}" is there already: give each entity its own id')
            entities[entity.id] = entity
        return cls(*_without_useless_links(entities))

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._entities.values())

    def __len__(self) -> int:
        return len(self._entities)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._entities

    def __getitem__(self, entity_id: str) -> Entity:
        return self._entities[entity_id]

    def get(self, entity_id: str) -> Entity | None:
        return self._entities.get(entity_id)


def _lines(path: Path) -> Iterator[str]:
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


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CatalogError(f"{where}: not JSON ({error}): write one JSON object a line") from error
    if not isinstance(value, dict):
        raise CatalogError(f"{where}: a {type(value).__name__} instead of an object: write one JSON object a line")
    return value


def _entity(fields: Mapping[str, Any], where: str) -> Entity:
    return Entity(
        id=_text(fields, "id", where, required=True),
        label=_text(fields, "label", where, required=True),
        aliases=tuple(_items(fields, "aliases", str, where)),
        description=_text(fields, "description", where),
        links=tuple(_link(item, f"{where}, field links") for item in _items(fields, "links", dict, where)),
    )


def _link(fields: Mapping[str, Any], where: str) -> Link:
    return Link(_text(fields, "relation", where, required=True), _text(fields, "target", where, required=True))


def _text(fields: Mapping[str, Any], name: str, where: str, *, required: bool = False) -> str:
    value = fields.get(name) or ""
    if not isinstance(value, str):
        raise CatalogError(f"{where}, field {name}: a {type(value).__name__} instead of a string: quote it")
    if required:
        try:
            require_identifier(value.strip(), f"{where}, field {name}")
        except ValueError as error:
            raise CatalogError(str(error)) from error
    return value


def _items(fields: Mapping[str, Any], name: str, kind: type[_Item], where: str) -> list[_Item]:
    value = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        expected = "strings" if kind is str else "objects with relation and target"
        raise CatalogError(f"{where}, field {name}: not a list of {expected}: write it as one")
    return value


def _without_useless_links(entities: dict[str, Entity]) -> tuple[dict[str, Entity], tuple[str, ...]]:
    dangling = own = 0
    kept: dict[str, Entity] = {}
    for entity in entities.values():
        links = tuple(link for link in entity.links if link.target in entities and link.target != entity.id)
        own += sum(link.target == entity.id for link in entity.links)
        dangling += sum(link.target not in entities for link in entity.links)
        kept[entity.id] = replace(entity, links=links) if len(links) < len(entity.links) else entity
    return kept, tuple(_link_warnings(dangling, own))


def _link_warnings(dangling: int, own: int) -> Iterator[str]:
    if dangling:
        yield f"links dropped because their target is not in the catalog: {dangling}"
    if own:
        yield f"links dropped because they point at their own entity: {own}"
