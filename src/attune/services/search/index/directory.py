"""The directory of an embedded index: who may open it, and for which model.

attune-index.json   the manifest: schema, model_id, dimension, bm25_average_length
attune-index.lock   held (flock) by the process that has the index open
shard/              the engine's files
shard.new/          a shard being made; renamed to shard/ when complete, discarded after a crash
"""

import fcntl
import json
import os
from pathlib import Path

from attune.services.search.index.errors import IndexLockedError, IndexMismatchError
from attune.services.search.index.identity import IndexIdentity, require_same

_MEND = "start with the model that wrote it, or move the directory away and index the documents again"


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
        self.shard = path / "shard"
        self.unfinished_shard = path / "shard.new"
        self._manifest = path / "attune-index.json"
        self._lock = _lock(path / "attune-index.lock")

    def admit(self, identity: IndexIdentity) -> None:
        """Compare the manifest with `identity`; write it where the directory is new.

        Raises:
            IndexMismatchError: another model, dimension or layout wrote the index, or its manifest is lost or damaged.
        """
        if self._manifest.exists():
            require_same(identity, self._read_manifest(), where=f"the index in {self.path}", mend=_MEND)
        elif self.shard.exists():
            raise IndexMismatchError(f"{self._manifest} is missing, so the model of this index is unknown: {_MEND}")
        else:
            self._write_manifest(identity)

    def release(self) -> None:
        os.close(self._lock)

    def _read_manifest(self) -> dict[str, object]:
        try:
            manifest = json.loads(self._manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IndexMismatchError(f"{self._manifest} is not JSON ({error}): {_MEND}") from error
        if not isinstance(manifest, dict):
            raise IndexMismatchError(f"{self._manifest} is not a JSON object: {_MEND}")
        return manifest

    def _write_manifest(self, identity: IndexIdentity) -> None:
        """Written aside and renamed, so that a crash leaves either no manifest or a whole one."""
        unfinished = self._manifest.with_suffix(".new")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(identity.to_manifest(), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._manifest)


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
