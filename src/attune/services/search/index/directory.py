"""The directory of an embedded index: who may open it, and for which model.

attune-index.json   the manifest: schema, model_id, dimension, bm25_average_length, fields with their types, of the
                    generation that serves; "building", the same of one that is being built; "last", the newest number;
                    "copy" and "graph_points" of a generation whose vector graph was built in a copy of its shard
attune-index.lock   held (flock) by the process that has the index open
shard/, shard-2/    the engine's files of a generation; what the manifest does not name is deleted at the next start
shard-2.1/          the first copy of shard-2/, with a vector graph, which the manifest names once it takes its place
shard-2.new/        a shard being made; renamed to shard-2/ when complete
forward/, forward-2/    what ranking reads of a generation's documents, which may be lost: see `forward_index`

Every change of generations, and of a generation's files, is one change of the manifest, which is replaced as a whole.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from attune.services.search.index.errors import IndexLockedError, IndexMismatchError

MEND = (
    "start with the model that wrote it, or with ATTUNE_INDEX_REBUILD=true and run `attune index DIR --rebuild`, "
    "to index the documents again into a new generation"
)
_LOST = "move the directory away and index the documents again"
FIRST = "1"
Manifest = dict[str, object]


class IndexDirectory:
    """One locked index directory. The lock falls with `release` or with the process."""

    def __init__(self, path: Path) -> None:
        """Make the directory where it is missing, and lock it.

        Raises:
            IndexLockedError: it is open elsewhere.
            OSError: it cannot be made or written.
        """
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._manifest = path / "attune-index.json"
        self._lock = _lock(path / "attune-index.lock")

    def shard(self, generation: str, copy: int = 0) -> Path:
        """Where a generation's files are."""
        name = _of(generation, "shard")
        return self.path / (f"{name}.{copy}" if copy else name)

    def forward(self, generation: str) -> Path:
        """Where a generation's forward index is."""
        return self.path / _of(generation, "forward")

    def read(self) -> Manifest | None:
        """The manifest; None where the directory is new.

        Raises:
            IndexMismatchError: it is lost or damaged, so that nobody knows which model wrote the index.
        """
        if not self._manifest.exists():
            if any(each.suffix != ".new" for each in self.path.glob("shard*")):
                raise IndexMismatchError(f"{self._manifest} is missing, so the model of this index is unknown: {_LOST}")
            return None
        try:
            manifest = json.loads(self._manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IndexMismatchError(f"{self._manifest} is not JSON ({error}): {_LOST}") from error
        if not isinstance(manifest, dict):
            raise IndexMismatchError(f"{self._manifest} is not a JSON object: {_LOST}")
        return manifest

    def write(self, manifest: Mapping[str, object]) -> None:
        """Written aside and renamed, so that a crash leaves either the one before or this one, whole."""
        unfinished = self._manifest.with_suffix(".new")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._manifest)
        self._sync()

    def clean(self, *kept: Path) -> None:
        """Delete what a crash has left of other shards and forward indexes than these."""
        for each in (*self.path.glob("shard*"), *self.path.glob("forward*")):
            if each not in kept:
                shutil.rmtree(each)

    def delete(self, generation: str) -> None:
        """Delete all files of a generation."""
        base = self.shard(generation)
        for each in (base, *self.path.glob(f"{base.name}.*"), self.forward(generation)):
            shutil.rmtree(each, ignore_errors=True)

    def release(self) -> None:
        os.close(self._lock)

    def _sync(self) -> None:
        """The renaming itself survives a power failure."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _of(generation: str, kind: str) -> str:
    return kind if generation == FIRST else f"{kind}-{generation}"


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise IndexLockedError(
            f"the index in {path.parent} is open in another process: stop that one, or use another directory"
        ) from error
    return descriptor
