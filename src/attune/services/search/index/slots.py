"""Slots of one size in a mapped file, found by key: numpy reads hundreds of them at once.

    SIZE.slots   the slots, one after the other
    SIZE.keys    of each slot its key, 64 bits; 0: it is free

Nothing is certain to come back: files may be lost or damaged, a slot be given to another key while it is read, or be
half filled by a process that is killed. So what is in a slot must tell by itself whether it is whole, and what it is.
"""

import errno
import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 8
_FEWEST = 256
_GROWTH_SHARE = 5
"""A full file grows by this part of what it has,"""
_MOST_GROWTH_BYTES = 64 << 20
"""and by no more than this, or than what is missing."""


class Slots:
    """One pair of files, for one process. Reads wait for nobody; writes take turns."""

    def __init__(self, directory: Path, slot_bytes: int) -> None:
        """Slots of another size, from before, are deleted.

        Raises:
            OSError: the files cannot be made or mapped.
        """
        directory.mkdir(exist_ok=True)
        self._slots_file = directory / f"{slot_bytes}.slots"
        self._keys_file = directory / f"{slot_bytes}.keys"
        for other in set(directory.iterdir()) - {self._slots_file, self._keys_file}:
            other.unlink()
        self._slot_bytes = slot_bytes
        self._writing = threading.Lock()
        self._map(min(_size(self._keys_file) // _KEY_BYTES, _size(self._slots_file) // slot_bytes))
        keys: list[int] = self._keys.tolist()
        self._places = {key: place for place, key in enumerate(keys) if key}
        self._free = [place for place, key in enumerate(keys) if self._places.get(key) != place]

    def __len__(self) -> int:
        return len(self._places)

    def read(self, keys: Sequence[int]) -> tuple[list[int], NDArray[np.uint8]]:
        """Which of the keys have a slot, as places in `keys`, and a copy of these slots [found, slot]."""
        slots = [self._places.get(key, -1) for key in keys]
        found = [place for place, slot in enumerate(slots) if slot >= 0]
        return found, self._slots[[slots[place] for place in found]]  # mapped as far as any of them is, or farther

    def write(self, keys: Sequence[int], contents: NDArray[np.uint8]) -> None:
        """Fill the slots of these keys, each of which comes once and is not 0, with contents [keys, slot].

        Raises:
            OSError: the files cannot grow. Keys that have slots have the new contents, the others none.
        """
        with self._writing:
            places = [self._places.get(key, -1) for key in keys]
            old = [row for row, place in enumerate(places) if place >= 0]
            new = [row for row, place in enumerate(places) if place < 0]
            self._slots[[places[row] for row in old]] = contents[old]
            if len(new) > len(self._free):
                self._grow(len(new) - len(self._free))
            taken = [self._free.pop() for _ in new]
            self._keys[taken] = added = [keys[row] for row in new]  # first: what is in a free slot, nobody would empty
            self._slots[taken] = contents[new]
            self._places.update(zip(added, taken, strict=True))

    def remove(self, keys: Sequence[int]) -> None:
        """Empty the slots of these keys; nothing stays of what was in them."""
        with self._writing:
            places = [place for key in keys if (place := self._places.pop(key, None)) is not None]
            if places:
                self._slots[places] = 0
                self._keys[places] = 0
                self._free += places

    def _grow(self, missing: int) -> None:
        before = len(self._keys)
        wanted = min(max(_FEWEST, before // _GROWTH_SHARE), _MOST_GROWTH_BYTES // self._slot_bytes)
        self._map(before + max(missing, wanted))
        self._free += reversed(range(before, len(self._keys)))

    def _map(self, count: int) -> None:
        """Map room for so many slots. Who reads the map before goes on to: it is the same file."""
        self._slots = _mapped(self._slots_file, count * self._slot_bytes).reshape(count, self._slot_bytes)
        self._keys = _mapped(self._keys_file, count * _KEY_BYTES).view(np.uint64)


def _mapped(path: Path, size: int) -> NDArray[np.uint8]:
    """The first `size` bytes of a file, which grows to have them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if (before := os.fstat(descriptor).st_size) < size:
            _extend(descriptor, before, size)
        return np.frombuffer(mmap.mmap(descriptor, size), np.uint8) if size else np.zeros(0, np.uint8)
    finally:
        os.close(descriptor)


def _extend(descriptor: int, before: int, size: int) -> None:
    """Take the disk's blocks now, where the system can: a full disk is an error here then, and no signal later.

    Raises:
        OSError: there is no room, or so little that as much again would not be left for those who cannot do without.
    """
    disk = os.fstatvfs(descriptor)
    if disk.f_bavail * disk.f_frsize < 2 * (size - before):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if not hasattr(os, "posix_fallocate"):  # macOS
        os.truncate(descriptor, size)
        return
    try:
        os.posix_fallocate(descriptor, before, size - before)
    except OSError:
        os.truncate(descriptor, before)  # or the file keeps what it got
        raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
