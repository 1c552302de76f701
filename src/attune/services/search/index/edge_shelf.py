"""Generations of the embedded index: a directory for each, and one manifest that says what they are for."""

import shutil
import threading
from pathlib import Path

import qdrant_edge as edge

from attune.services.search.index.directory import FIRST, MEND, IndexDirectory, Manifest
from attune.services.search.index.edge import EdgeEngine
from attune.services.search.index.edge_graphs import EdgeGraphs, Shape
from attune.services.search.index.edge_shard import load_shard, make_shard
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields
from attune.services.search.index.forward_index import ForwardIndex
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.generations import Generation, GenerationError, GenerationState
from attune.services.search.index.identity import IndexIdentity, known_fields, of_manifest, require_same
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.ranking_reads import RankingReads
from attune.services.search.index.read_counts import CountReads, count_nothing
from attune.services.search.index.settings import DEFAULT_SETTINGS, IndexSettings
from attune.services.search.index.shelf import Standing

_COPY = "copy"
_POINTS = "graph_points"


def open_edge_index(
    path: Path,
    identity: IndexIdentity,
    fields: DeclaredFields = NO_FIELDS,
    settings: IndexSettings = DEFAULT_SETTINGS,
    *,
    may_rebuild: bool = False,
    count: CountReads = count_nothing,
) -> GenerationalIndex:
    """Open the index in `path`, or make it; `count` hears what ranking reads. Takes as long as re-reading the log and
    building what indexes of fields are missing. What vector graph is missing is built while it serves.

    Raises:
        IndexLockedError: another process has it open.
        IndexMismatchError: it was written for another identity, unless it may be built anew, or a field for another
            type.
    """
    directory = IndexDirectory(path)
    try:
        shelf = EdgeShelf(directory, identity, fields, settings, count)
        return GenerationalIndex(shelf, may_rebuild=may_rebuild)
    except BaseException:
        directory.release()
        raise


class EdgeShelf:
    """`generations.Shelf` over one locked directory: nobody else changes it."""

    def __init__(
        self,
        directory: IndexDirectory,
        identity: IndexIdentity,
        fields: DeclaredFields,
        settings: IndexSettings,
        count: CountReads = count_nothing,
    ) -> None:
        self._directory = directory
        self._count = count
        self._identity = identity
        self._fields = fields
        self._settings = settings
        found = directory.read()
        self._manifest: Manifest = self._of_today({}) if found is None else found
        if found is None:
            directory.write(self._manifest)
        self._changing = threading.Lock()
        """Of the manifest: a graph may be finished at any time."""
        standing = self.standing()
        known = [each for each in (standing.serving, standing.building) if each]
        directory.clean(*map(self._path, known), *map(directory.forward, known))

    def standing(self) -> Standing:
        """See `Shelf.standing`."""
        return Standing(_name(self._manifest), _name(self._building) if self._building else "")

    def open(self, name: str) -> QdrantIndex:
        """See `Shelf.open`."""
        where = f"the index in {self._directory.path}"
        known = self._manifest_of(name)
        require_same(self._identity, known, where=where, mend=MEND)
        fields = known_fields(self._fields, known, where=where, mend=MEND)
        if fields != known.get("fields", {}):
            self._change_of(name, {"fields": fields})
        path = self._path(name)
        if not path.exists():
            self._make(name)
        covered, shape = int(str(known.get(_POINTS, 0))), Shape(self._identity.dimension, self._settings)
        forward = ForwardIndex(self._directory.forward(name), self._identity.dimension, self._fields)
        shard = self.load(path)
        if not covered and shard.info().points_count <= shape.scanned:
            shard.optimize()  # so few documents take no graph, and seconds at most
        engine = EdgeEngine(
            shard, path, self._settings, lambda engine: EdgeGraphs(engine, _Place(self, name), covered, shape)
        )
        reads = RankingReads(forward, self._settings.kept_bytes, self._count)
        return QdrantIndex(engine, self._identity, self._fields, reads)

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
        with self._changing:
            self._write({**self._manifest, "building": building, "last": number})

    def activate(self, name: str) -> None:
        """See `Shelf.activate`."""
        with self._changing:
            self._write({**self._building, "generation": name, "last": self._manifest["last"]})

    def abandon(self) -> None:
        """See `Shelf.abandon`."""
        with self._changing:
            self._write({each: value for each, value in self._manifest.items() if each != "building"})

    def delete(self, name: str) -> None:
        """See `Shelf.delete`."""
        self._directory.delete(name)

    def next_copy(self, name: str) -> Path:
        """Where the next copy of a generation's shard is to be made, for its graph."""
        return self._directory.shard(name, _copy(self._manifest_of(name)) + 1)

    def load(self, path: Path) -> edge.EdgeShard:
        """Open a shard of ours."""
        return load_shard(path, self._identity.dimension, self._fields)

    def publish_copy(self, name: str, points: int) -> None:
        """Let that copy, whose graph has so many points, be the generation's shard.

        Raises:
            GenerationError: the generation is gone.
        """
        self._change_of(name, {_COPY: _copy(self._manifest_of(name)) + 1, _POINTS: points})

    def close(self) -> None:
        """See `Shelf.close`."""
        self._directory.release()

    @property
    def _building(self) -> Manifest:
        found = self._manifest.get("building")
        return found if isinstance(found, dict) else {}

    def _path(self, name: str) -> Path:
        return self._directory.shard(name, _copy(self._manifest_of(name)))

    def _manifest_of(self, name: str) -> Manifest:
        """Of what serves or is being built."""
        if self._building and _name(self._building) == name:
            return self._building
        if _name(self._manifest) != name:
            raise GenerationError(f"there is no generation {name!r}")
        return self._manifest

    def _change_of(self, name: str, changes: Manifest) -> None:
        with self._changing:
            changed = {**self._manifest_of(name), **changes}
            is_building = _name(self._manifest) != name
            self._write({**self._manifest, "building": changed} if is_building else changed)

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


class _Place:
    """`edge_graphs.Place` of one generation."""

    def __init__(self, shelf: EdgeShelf, name: str) -> None:
        self._shelf = shelf
        self._name = name

    def next(self) -> Path:
        return self._shelf.next_copy(self._name)

    def load(self, path: Path) -> edge.EdgeShard:
        return self._shelf.load(path)

    def publish(self, points: int) -> None:
        self._shelf.publish_copy(self._name, points)


def _copy(manifest: Manifest) -> int:
    """Which copy of its shard a generation is in; 0 where none was made."""
    return int(str(manifest.get(_COPY, 0)))


def _name(manifest: Manifest) -> str:
    """Of a generation; the first has none in the manifests of before."""
    return str(manifest.get("generation", FIRST))
