"""Entities and merges from a catalog of our own format: a file to be cleaned, or the one that an import replaces."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from attune.knowledge_store.catalog_lines import CatalogError, parse_line
from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.model import Entity
from attune.knowledge_store.redirects import Merge, consistent


def own_entities(
    lines: Iterable[tuple[int, bytes]], report: ImportReport, merges: list[Merge] | None = None
) -> Iterator[Entity]:
    """The entities of JSONL lines; the merges among them, in the end, go to `merges`."""
    found: dict[int, Merge] = {}
    for number, line in lines:
        if not line.strip():
            continue
        where = f"{report.source}, line {number}"
        try:
            record = parse_line(line.decode(), where)
        except (UnicodeDecodeError, CatalogError) as error:
            report.bad(number, str(error).removeprefix(where).lstrip(":, "))
            continue
        if isinstance(record, Entity):
            yield record
        else:
            found[number] = record
    kept, refused = consistent(found.values())
    for refusal in refused:
        report.bad(next(number for number, merge in found.items() if merge is refusal.merge), str(refusal))
    if merges is not None:
        merges += kept


def merges_of(path: Path) -> list[Merge]:
    """The merges of the catalog at `path`, read line by line; none where there is no file.

    Raises CatalogError if it is no catalog.
    """
    if not path.exists():
        return []
    report = ImportReport(str(path), strict=True)
    lines = ((number, line) for number, line in numbered_lines(path, report) if b'"merged"' in line)
    merges: list[Merge] = []
    for _ in own_entities(lines, report, merges):
        pass  # an entity with a field of that name
    return merges
