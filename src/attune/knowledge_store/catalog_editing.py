"""Merges in a catalog file. Entities' lines are never touched, so undoing a merge gives the file that was there."""

from pathlib import Path

from attune.knowledge_store.catalog import catalog_lines, read_redirects
from attune.knowledge_store.catalog_lines import CatalogError, merge_line, parse_line
from attune.knowledge_store.importing.files import replacing
from attune.knowledge_store.redirects import Merge, MergeError, Redirects


def add_merge(path: Path, merge: Merge) -> str:
    """Adds the record of a merge to the file; returns the id that the merged entity goes by then.

    Raises CatalogError for an entity that the file does not have, and for a merge that cannot be; the file stays.
    """
    ids, merges = _ids_and_merges(path)
    read_redirects({f"{path}, line {number}": each for number, each in merges.items()}, ids)
    for entity_id in (merge.merged, merge.into):
        if entity_id not in ids:
            raise CatalogError(f'{path}: there is no entity "{entity_id}": give the ids as they are in the file')
    try:
        redirects = Redirects([*merges.values(), merge])
    except MergeError as error:
        raise CatalogError(f"{path}: {error}") from error
    with replacing(path) as file:
        for line in catalog_lines(path):
            file.write(f"{line}\n")
        file.write(f"{merge_line(merge)}\n")
    return redirects.resolve(merge.merged)


def remove_merge(path: Path, merge: Merge) -> None:
    """Takes the record of a merge out of the file, also where the file has other troubles.

    Raises CatalogError where there is no such record; the file stays.
    """
    _, merges = _ids_and_merges(path)
    number = next((number for number, each in merges.items() if each == merge), 0)
    if not number:
        raise CatalogError(
            f'{path}: no record merges "{merge.merged}" into "{merge.into}": give the two ids that it was made with'
        )
    with replacing(path) as file:
        for at, line in enumerate(catalog_lines(path), start=1):
            if at != number:
                file.write(f"{line}\n")


def _ids_and_merges(path: Path) -> tuple[set[str], dict[int, Merge]]:
    """The ids of a catalog, and its merges by line."""
    ids: set[str] = set()
    merges: dict[int, Merge] = {}
    for number, line in enumerate(catalog_lines(path), start=1):
        if not line.strip():
            continue
        record = parse_line(line, f"{path}, line {number}")
        if isinstance(record, Merge):
            merges[number] = record
        else:
            ids.add(record.id)
    return ids, merges
