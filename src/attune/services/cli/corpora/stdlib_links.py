"""How the entities of the standard library hang together."""

import re
from collections.abc import Iterable, Iterator

from attune.services.cli.corpora.library import Library
from attune.services.cli.corpora.public_names import Item, PublicNames
from attune.services.cli.corpora.source_module import SourceModule

_MAX_MENTIONS = 8
_MAX_IMPORTS = 12
# `name`, :class:`~a.b`; a.b; CamelCase; name()
_MENTION = re.compile(
    r"`[~!]?(?P<quoted>[A-Za-z_][\w.]*)(?:\(\))?`"
    r"|\b(?P<dotted>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)"
    r"|\b(?P<camel>[A-Z][a-z0-9]+[A-Z]\w*)"
    r"|\b(?P<call>[A-Za-z_]\w*)\(\)"
)

Link = tuple[str, str]


class LinkFinder:
    """Links whose targets are among `ids`; `id_of_home` maps where an item is defined to its id."""

    def __init__(
        self, library: Library, names: PublicNames, ids: set[str], id_of_home: dict[tuple[str, str], str]
    ) -> None:
        self._library = library
        self._names = names
        self._ids = ids
        self._id_of_home = id_of_home
        self._id_of_last_part = _unambiguous(ids)

    def module_links(self, name: str) -> list[Link]:
        """part_of the package, and what it imports."""
        module = self._library.module(name)
        imported = module.imported if isinstance(module, SourceModule) else ()
        modules = [other for other in dict.fromkeys(imported) if other != name and self._is_module(other)]
        package = name.rpartition(".")[0]
        parents = [("part_of", package)] if package in self._ids else []
        return [*parents, *(("imports", other) for other in modules[:_MAX_IMPORTS])]

    def item_links(self, module: str, item: Item) -> list[Link]:
        """part_of the module, and subclass_of its bases."""
        bases = (self._id_of_home.get(base.home) for base in self._names.resolve_bases(item))
        own = self._id_of_home[item.home]
        targets = dict.fromkeys(base for base in bases if base and base != own)
        return [("part_of", module), *(("subclass_of", target) for target in targets)]

    def mentions(self, entity_id: str, module: str, docstring: str) -> list[Link]:
        """The entities that a docstring names, in the order of first mention."""
        found = (self._mentioned(match, module) for match in _MENTION.finditer(docstring))
        container = entity_id.rpartition(".")[0]
        targets = dict.fromkeys(target for target in found if target and target not in (entity_id, container))
        return [("mentions", target) for target in list(targets)[:_MAX_MENTIONS]]

    def _mentioned(self, match: re.Match[str], module: str) -> str | None:
        name = match[match.lastgroup or 0].strip(".")
        for candidate in (f"{module}.{name}", f"builtins.{name}", name):
            if candidate in self._ids and (candidate != name or "." in name or match["quoted"]):
                return candidate
        return None if match["call"] else self._id_of_last_part.get(name)

    def _is_module(self, name: str) -> bool:
        return name in self._ids and self._library.module(name) is not None


def _unambiguous(ids: Iterable[str]) -> dict[str, str]:
    """Last part -> id, where only one id ends in it."""
    owners: dict[str, str] = {}
    shared: set[str] = set()
    for entity_id, last in _last_parts(ids):
        if last in owners:
            shared.add(last)
        owners[last] = entity_id
    return {last: entity_id for last, entity_id in owners.items() if last not in shared}


def _last_parts(ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((entity_id, entity_id.rpartition(".")[2]) for entity_id in ids)
