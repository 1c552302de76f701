"""The lines of a catalog file: entities and merges, as JSON objects.

    {"id", "label", "aliases": [...], "description", "links": [{"relation", "target"}, ...]}
    {"merged": id, "into": id}

`id` and `label`, or both ids of a merge, are required; other fields may be present and are ignored. The id of an entity
has at most MOST_ID_CHARACTERS; one that was merged may be longer, from before that was so.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from attune.knowledge_store.model import Entity, Link, require_identifier
from attune.knowledge_store.redirects import Merge

_Item = TypeVar("_Item")
MOST_ID_CHARACTERS = 512
"""The requests that name an entity take no more: a longer one could be learned, and never forgotten."""


class CatalogError(ValueError):
    """A catalog that cannot be used: says the file, the line, the field and the mend."""


def parse_line(line: str, where: str) -> Entity | Merge:
    """What a line says. Raises CatalogError, which begins with `where`."""
    fields = _json_object(line, where)
    if "merged" in fields and "id" not in fields:
        return Merge(_text(fields, "merged", where, required=True), _text(fields, "into", where, required=True))
    return _entity(fields, where)


def entity_line(entity: Entity) -> str:
    """The entity as a line without its end. Empty fields are left out, so that equal entities have equal lines."""
    fields: dict[str, Any] = {"id": entity.id, "label": entity.label}
    if entity.aliases:
        fields["aliases"] = entity.aliases
    if entity.description:
        fields["description"] = entity.description
    if entity.links:
        fields["links"] = [{"relation": link.relation, "target": link.target} for link in entity.links]
    return _line(fields)


def merge_line(merge: Merge) -> str:
    """The merge as a line without its end."""
    return _line({"merged": merge.merged, "into": merge.into})


def _line(fields: dict[str, Any]) -> str:
    line = json.dumps(fields, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a lone surrogate in a name, which only JSON's escapes can hold
        return json.dumps(fields)
    return line


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
        id=_id(fields, where),
        label=_text(fields, "label", where, required=True),
        aliases=tuple(_items(fields, "aliases", str, where)),
        description=_text(fields, "description", where),
        links=tuple(_link(item, f"{where}, field links") for item in _items(fields, "links", dict, where)),
    )


def _link(fields: Mapping[str, Any], where: str) -> Link:
    return Link(_text(fields, "relation", where, required=True), _text(fields, "target", where, required=True))


def _id(fields: Mapping[str, Any], where: str) -> str:
    entity_id = _text(fields, "id", where, required=True)
    if len(entity_id) > MOST_ID_CHARACTERS:
        raise CatalogError(
            f"{where}, field id: {len(entity_id)} characters, and requests take {MOST_ID_CHARACTERS}: give a shorter id"
        )
    return entity_id


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
