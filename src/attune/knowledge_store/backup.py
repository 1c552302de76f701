"""A whole store in one file, whichever the engine: gzip'd JSON lines (backup_lines.py) between a header and an end.

    {"backup": "attune knowledge store", "format": 3, "attune": version, "at": ISO 8601}
    ...
    {"end": {"users": 3, "tombstones": 0, "consents": 1, "summaries": 2, "positions": 1, "objects": 7},
     "blake2b": hex of all lines before}

A file without its end, or whose end does not fit, is refused: what it was to restore is rolled back. Both ways go piece
by piece, so that memory does not grow with the store.
"""

import gzip
import json
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from attune.knowledge_store.backup_lines import dumped, from_line, to_line
from attune.knowledge_store.kept import Kept, KeptConsents, KeptObject, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import Store, StoreError

FORMAT = 3
_MARK = "attune knowledge store"
_PLACES = {
    KeptUser: "users",
    KeptTombstone: "tombstones",
    KeptConsents: "consents",
    KeptSummary: "summaries",
    LogPosition: "positions",
    KeptObject: "objects",
}
_FOREIGN = "is no backup of a knowledge store: give a file that `attune store backup` wrote"
_DIGEST_BYTES = 32
Progress = Callable[[int], None]


class BackupError(StoreError):
    """The file cannot be written, or is no whole backup; the store is as it was."""


def _nobody(_pieces: int) -> None:
    """Hears of progress."""


def write_backup(store: Store, path: Path, now: datetime, progress: Progress = _nobody) -> dict[str, int]:
    """Writes the store as of this moment; returns how many of each there are. `progress` hears how many are written.

    The file has its name when it is whole and on disk; it is its owner's alone, for it says what people are interested
    in. Raises BackupError where it cannot be written, or is there already, and StoreError where the store cannot be
    read.
    """
    _require_absent(path)
    with _draft(path) as raw, _packed(raw) as file:
        return _write_lines(file, store.dump(), now, progress)


def read_backup(store: Store, path: Path, progress: Progress = _nobody) -> dict[str, int]:
    """Puts the backup into an empty store, in one transaction; returns how many of each there were.

    Raises BackupError for a file that is no whole backup, and StoreError for a store that is not empty: in both cases,
    as after a crash, the store is as it was.
    """
    counts: Counter[str] = Counter()
    with _unpacked(path) as file:
        store.load(_pieces(file, path, counts, progress))
    return _counted(counts)


def _write_lines(file: gzip.GzipFile, kept: Iterable[Kept], now: datetime, progress: Progress) -> dict[str, int]:
    counts: Counter[str] = Counter()
    checksum = blake2b(digest_size=_DIGEST_BYTES)
    header = {"backup": _MARK, "format": FORMAT, "attune": version("attune"), "at": now.isoformat()}
    for line in _lines(dumped(header), kept, counts, progress):
        checksum.update(line)
        file.write(line)
    file.write(dumped({"end": _counted(counts), "blake2b": checksum.hexdigest()}))
    return _counted(counts)


def _lines(header: bytes, kept: Iterable[Kept], counts: Counter[str], progress: Progress) -> Iterator[bytes]:
    yield header
    for each in kept:
        yield to_line(each)
        counts[_PLACES[type(each)]] += 1
        progress(counts.total())


def _pieces(file: gzip.GzipFile, path: Path, counts: Counter[str], progress: Progress) -> Iterator[Kept]:
    checksum = blake2b(digest_size=_DIGEST_BYTES)
    line = file.readline()
    _require_known(_parsed(line, f"{path} {_FOREIGN}"), path)
    damaged = f"{path} is damaged after {{}} pieces: take another backup"
    while True:
        checksum.update(line)
        line = file.readline()
        if not line.endswith(b"\n"):
            raise BackupError(f"{path} ends too early, after {counts.total()} pieces: copy it again, or take another")
        fields = _parsed(line, damaged.format(counts.total()))
        if "end" in fields:
            if not _is_end_of(fields, counts, checksum.hexdigest()) or file.read(1):
                raise BackupError(damaged.format(counts.total()))
            return
        try:
            piece = from_line(fields)
        except (ValueError, KeyError, TypeError, OverflowError, StoreError) as error:
            raise BackupError(damaged.format(counts.total())) from error
        yield piece
        counts[_PLACES[type(piece)]] += 1
        progress(counts.total())


def _is_end_of(fields: dict[str, Any], counts: Counter[str], checksum: str) -> bool:
    """Format 1 had fewer places: what is not told is none."""
    told = fields["end"]
    return isinstance(told, dict) and Counter(told) == counts and fields.get("blake2b") == checksum


def _parsed(line: bytes, refusal: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BackupError(refusal) from error
    if not isinstance(fields, dict):
        raise BackupError(refusal)
    return fields


def _require_known(header: dict[str, Any], path: Path) -> None:
    if header.get("backup") != _MARK or not isinstance(header.get("format"), int):
        raise BackupError(f"{path} {_FOREIGN}")
    if header["format"] > FORMAT:
        raise BackupError(
            f"{path} has format {header['format']}, of attune {header.get('attune')}, and this version knows {FORMAT}:"
            " upgrade attune"
        )


def _packed(raw: IO[bytes]) -> gzip.GzipFile:
    """Without a time and a name of its own: equal stores at equal times give equal files."""
    return gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6)


@contextmanager
def _unpacked(path: Path) -> Iterator[gzip.GzipFile]:
    try:
        with gzip.open(path) as file:
            yield file
    except gzip.BadGzipFile as error:
        raise BackupError(f"{path} {_FOREIGN}, or copy it again ({error})") from error
    except (EOFError, zlib.error) as error:
        raise BackupError(f"{path} is damaged or ends too early ({error}): copy it again, or take another") from error
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror or error}: give a file that can be read") from error


@contextmanager
def _draft(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that is moved there when the block has ended well, and removed otherwise."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _require_absent(path)
            draft.rename(path)
            _sync_directory(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(
            f"{path}: {error.strerror or error}: give a file in a directory that can be written"
        ) from error


def _require_absent(path: Path) -> None:
    if path.exists():
        raise BackupError(f"{path} exists: give the name of a new file")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {place: counts[place] for place in _PLACES.values()}
