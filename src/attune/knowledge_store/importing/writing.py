"""A catalog file from a stream of entities, in memory that does not grow with their names and links.

A link may lead to an entity that comes later, or never. So the entities go to a draft first; then their links are held
against the ids that came, which is all that is kept in memory.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from attune.knowledge_store.catalog_lines import MOST_ID_CHARACTERS, entity_line, merge_line, parse_line
from attune.knowledge_store.importing.files import replacing
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.model import Entity, Link
from attune.knowledge_store.redirects import Merge, Redirects, consistent


class IdSet(Protocol):
    """The ids that came. A plain set is one."""

    def add(self, entity_id: str, /) -> None: ...

    def __contains__(self, entity_id: object, /) -> bool: ...


def same(relation: str) -> str:
    return relation


def write_catalog(
    entities: Iterable[Entity],
    out: Path,
    report: ImportReport,
    *,
    ids: IdSet | None = None,
    relation: Callable[[str], str] = same,
    merges: Sequence[Merge] = (),
) -> None:
    """Writes entities, each id once, then the merges whose target there is.

    `relation` renames relations after all entities have come. Nothing is at `out` that was not there before until all
    of it is. Raises CatalogError, also where no entity comes or a merge would be lost (`report.drop_merges` allows it),
    and what the entities raise.
    """
    known: IdSet = set() if ids is None else ids
    with replacing(out) as file, tempfile.TemporaryFile("w+", dir=out.resolve().parent, encoding="utf-8") as draft:
        for entity in _once(entities, known, report):
            draft.write(f"{entity_line(entity)}\n")
        if not draft.tell():
            raise report.without_entities(out)
        kept_merges = _holding(merges, known, report)
        draft.seek(0)
        for line in draft:
            entity = _parsed(line)
            kept = replace(entity, links=_useful(entity, known, report, relation))
            report.made(kept)
            file.write(f"{entity_line(kept)}\n")
        report.merges = len(kept_merges)
        file.writelines(f"{merge_line(merge)}\n" for merge in kept_merges)


def _holding(merges: Iterable[Merge], known: IdSet, report: ImportReport) -> list[Merge]:
    """Those that a service would load beside the entities that came."""
    kept, refused = consistent(dict.fromkeys(merges))
    report.leave_out("merges that contradict others", len(refused))
    redirects = Redirects(kept)
    report.drop([merge for merge in kept if redirects.resolve(merge.into) not in known])
    return [merge for merge in kept if redirects.resolve(merge.into) in known]


def _once(entities: Iterable[Entity], known: IdSet, report: ImportReport) -> Iterator[Entity]:
    for entity in entities:
        if len(entity.id) > MOST_ID_CHARACTERS:
            report.leave_out(f"entities with an id of more than {MOST_ID_CHARACTERS} characters")
            continue
        if entity.id in known:
            report.leave_out("entities with an id that came before")
            continue
        known.add(entity.id)
        aliases = dict.fromkeys(alias.strip() for alias in entity.aliases)
        names = tuple(alias for alias in aliases if alias and alias != entity.label)
        report.leave_out("aliases that are empty or there already", len(entity.aliases) - len(names))
        yield replace(entity, aliases=names)


def _parsed(line: str) -> Entity:
    entity = parse_line(line, "draft")
    if not isinstance(entity, Entity):
        raise TypeError("a draft has entities only")
    return entity


def _useful(entity: Entity, known: IdSet, report: ImportReport, relation: Callable[[str], str]) -> tuple[Link, ...]:
    there = [link for link in entity.links if link.target in known]
    report.leave_out("links to entities that are not there", len(entity.links) - len(there))
    others = [link for link in there if link.target != entity.id]
    report.leave_out("links of entities to themselves", len(there) - len(others))
    return tuple(dict.fromkeys(Link(relation(link.relation), link.target) for link in others))
