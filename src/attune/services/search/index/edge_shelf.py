"""Generations of the embedded index: a directory for each, and one manifest that says what they are for."""

import shutil
from pathlib import Path

import qdrant_edge as edge

from attune.services.search.index.directory import FIRST, MEND, IndexDirectory, Manifest
from attune.services.search.index.edge import EdgeEngine, load_shard, make_shard
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.generations import Generation, GenerationState, Standing
from attune.services.search.index.identity import IndexIdentity, known_fields, of_manifest, require_same
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.settings import DEFAULT_SETTINGS, IndexSettings


def open_edge_index(
    path: Path,
    identity: IndexIdentity,
    fields: DeclaredFields = NO_FIELDS,
    settings: IndexSettings = DEFAULT_SETTINGS,
    *,
    may_rebuild: bool = False,
) -> GenerationalIndex:
    """Open the index in `path`, or make it. Takes as long as re-reading the log and building what graph is missing,
    and indexes of fields that are new.

    Raises:
        IndexLockedError: another process has it open.
        IndexMismatchError: it was written for another identity, unless it may be built anew, or a field for another
            type.
    """
    directory = IndexDirectory(path)
    try:
        return GenerationalIndex(EdgeShelf(directory, identity, fields, settings), may_rebuild=may_rebuild)
    except BaseException:
        directory.release()
        raise


class EdgeShelf:
    """`generations.Shelf` over one locked directory: nobody else changes it."""

    def __init__(
        self, directory: IndexDirectory, identity: IndexIdentity, fields: DeclaredFields, settings: IndexSettings
    ) -> None:
        self._directory = directory
        self._identity = identity
        self._fields = fields
        self._settings = settings
        found = directory.read()
        self._manifest: Manifest = self._of_today({}) if found is None else found
        if found is None:
            directory.write(self._manifest)
        standing = self.standing()
        directory.clean(standing.serving, standing.building)

    def standing(self) -> Standing:
        """See `Shelf.standing`."""
        return Standing(_name(self._manifest), _name(self._building) if self._building else "")

    def open(self, name: str) -> QdrantIndex:
        """See `Shelf.open`."""
        where = f"the index in {self._directory.path}"
        known = self._building if self._building and _name(self._building) == name else self._manifest
        require_same(self._identity, known, where=where, mend=MEND)
        fields = known_fields(self._fields, known, where=where, mend=MEND)
        if fields != known.get("fields", {}):
            known["fields"] = fields
            self._directory.write(self._manifest)
        path = self._directory.shard(name)
        if not path.exists():
            self._make(name)
        shard: edge.EdgeShard = load_shard(path, self._identity.dimension, self._fields)
        return QdrantIndex(EdgeEngine(shard, self._settings), self._identity, self._fields)

    def all(self) -> list[Generation]:
        """See `Shelf.all`."""
        serving = of_manifest(_name(self._manifest), GenerationState.SERVING, self._manifest)
        if not self._building:
            return [serving]
        return [serving, of_manifest(_name(self._building), GenerationState.BUILDING, self._building)]

    def create(self) -> None:
        """See `Shelf.create`."""
        number = int(str(self._manifest.get("last", FIRST))) + 1
        self._make(str(number))
        building = self._of_today({"generation": str(number)})
        self._write({**self._manifest, "building": building, "last": number})

    def activate(self, name: str) -> None:
        """See `Shelf.activate`."""
        self._write({**self._building, "generation": name, "last": self._manifest["last"]})

    def abandon(self) -> None:
        """See `Shelf.abandon`."""
        self._write({each: value for each, value in self._manifest.items() if each != "building"})

    def delete(self, name: str) -> None:
        """See `Shelf.delete`."""
        shutil.rmtree(self._directory.shard(name), ignore_errors=True)

    def close(self) -> None:
        """See `Shelf.close`."""
        self._directory.release()

    @property
    def _building(self) -> Manifest:
        found = self._manifest.get("building")
        return found if isinstance(found, dict) else {}

    def _of_today(self, more: Manifest) -> Manifest:
        fields = {name: str(kind) for name, kind in self._fields}
        return {**self._identity.to_manifest(), "fields": fields, **more}

    def _write(self, manifest: Manifest) -> None:
        self._directory.write(manifest)
        self._manifest = manifest

    def _make(self, name: str) -> None:
        """Make an empty shard aside and rename it, so that a crash leaves none rather than half of one."""
        path = self._directory.shard(name)
        unfinished = path.with_name(f"{path.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        make_shard(unfinished, self._identity.dimension, self._settings)
        unfinished.rename(path)


def _name(manifest: Manifest) -> str:
    """Of a generation; the first has none in the manifests of before."""
    return str(manifest.get("generation", FIRST))
