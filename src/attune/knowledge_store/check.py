"""What is wrong or doubtful in a catalog file, all of it at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx

from attune.knowledge_store.catalog import Catalog, catalog_lines, read_redirects
from attune.knowledge_store.catalog_lines import CatalogError, parse_line
from attune.knowledge_store.common_words import common_words
from attune.knowledge_store.graph import CONTAINER_RELATION
from attune.knowledge_store.model import Entity
from attune.knowledge_store.normalization import normalize_name
from attune.knowledge_store.redirects import Merge, Redirects

_SHOWN = 10


@dataclass(slots=True)
class Finding:
    """How often something is there, and the first cases."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(example)


@dataclass(frozen=True, slots=True)
class CatalogCheck:
    """`errors` keep a service from starting with the file; `warnings` do not."""

    version: str
    """Of what the service would load; empty where there are errors."""
    entities: int
    aliases: int
    links: int
    merges: int
    errors: Finding
    warnings: Mapping[str, Finding]
    ambiguous: Mapping[str, int]
    """The names of most entities, with how many these are."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "version": self.version,
            "entities": self.entities,
            "aliases": self.aliases,
            "links": self.links,
            "merges": self.merges,
            "errors": {"count": self.errors.count, "examples": self.errors.examples},
            "warnings": {
                name: {"count": each.count, "examples": each.examples} for name, each in self.warnings.items()
            },
            "ambiguous": dict(self.ambiguous),
        }


def check_catalog(path: Path, top: int = _SHOWN) -> CatalogCheck:
    """Looks at every line. Raises CatalogError only where the file cannot be read as lines of UTF-8."""
    errors = Finding()
    entities, merges = _records(path, errors)
    redirects = _redirects(merges, entities, errors)
    warnings: defaultdict[str, Finding] = defaultdict(Finding)
    _check_ids(entities, warnings)
    _check_links(entities, redirects, warnings)
    _check_containers(entities, redirects, warnings)
    names = _check_names(entities, redirects, warnings)
    return CatalogCheck(
        version="" if errors.count else Catalog.of(entities, redirects).version,
        entities=len(entities),
        aliases=sum(len(each.aliases) for each in entities.values()),
        links=sum(len(each.links) for each in entities.values()),
        merges=len(merges),
        errors=errors,
        warnings=dict(warnings),
        ambiguous=dict(sorted(((n, c) for n, c in names.items() if c > 1), key=lambda each: (-each[1], each[0]))[:top]),
    )


def _records(path: Path, errors: Finding) -> tuple[dict[str, Entity], dict[str, Merge]]:
    entities: dict[str, Entity] = {}
    merges: dict[str, Merge] = {}
    for number, line in enumerate(catalog_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = parse_line(line, where)
        except CatalogError as error:
            errors.add(str(error))
            continue
        if isinstance(record, Merge):
            merges[where] = record
        elif record.id in entities:
            errors.add(f'{where}, field id: "{record.id}" is there already: give each entity its own id')
        else:
            entities[record.id] = record
    return entities, merges


def _redirects(merges: Mapping[str, Merge], entities: Mapping[str, Entity], errors: Finding) -> Redirects:
    """The merges; none of them from the first on that cannot be."""
    try:
        return read_redirects(merges, entities)
    except CatalogError as error:
        errors.add(str(error))
        return Redirects()


def _check_ids(entities: Iterable[str], warnings: Mapping[str, Finding]) -> None:
    for entity_id in entities:
        if entity_id != entity_id.strip():
            warnings["ids with spaces around them, which belong to the id"].add(repr(entity_id))


def _check_links(entities: Mapping[str, Entity], redirects: Redirects, warnings: Mapping[str, Finding]) -> None:
    for entity in entities.values():
        if len(set(entity.links)) < len(entity.links):
            warnings["entities with a link twice"].add(entity.id)
        for link in entity.links:
            if link.target == entity.id:
                warnings["links of entities to themselves"].add(f"{entity.id} {link.relation}")
            elif redirects.resolve(link.target) not in entities:
                warnings["links to entities that are not there"].add(f"{entity.id} {link.relation} {link.target}")


def _check_containers(entities: Mapping[str, Entity], redirects: Redirects, warnings: Mapping[str, Finding]) -> None:
    """Entities that are part of themselves, by way of others."""
    resolve = redirects.resolve
    graph: nx.DiGraph[str] = nx.DiGraph(
        (resolve(entity.id), resolve(link.target))
        for entity in entities.values()
        for link in entity.links
        if link.relation == CONTAINER_RELATION
    )
    for cycle in nx.strongly_connected_components(graph):
        if len(cycle) > 1:
            shown = sorted(cycle)[:_SHOWN]
            more = f" and {len(cycle) - _SHOWN} more" if len(cycle) > _SHOWN else ""
            warnings[f"cycles of {CONTAINER_RELATION}"].add(", ".join(shown) + more)


def _check_names(entities: Mapping[str, Entity], redirects: Redirects, warnings: Mapping[str, Finding]) -> Counter[str]:
    """How many entities have each name, as a text would be searched for it."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    common = common_words()
    for entity in entities.values():
        names = [normalize_name(name) for name in (entity.label, *entity.aliases)]
        if len(set(names)) < len(names):
            warnings["entities with a name twice"].add(entity.id)
        for name in dict.fromkeys(names):
            owners[name].add(redirects.resolve(entity.id))
            _check_name(name, entity.id, common, warnings)
    return Counter({name: len(ids) for name, ids in owners.items()})


def _check_name(name: str, entity_id: str, common: Iterable[str], warnings: Mapping[str, Finding]) -> None:
    if not any(character.isalnum() for character in name):
        warnings["names without a letter or digit, which no text can name"].add(f"{entity_id}: {name!r}")
    elif len(name) == 1:
        warnings["names of one letter"].add(f"{entity_id}: {name}")
    elif name in common:
        warnings["names that are a common word, linked only where they stand alone"].add(f"{entity_id}: {name}")
