"""Slots of one size in a mapped file, found by key: numpy reads hundreds of them at once.

    NAME.slots   the slots, one after the other
    NAME.keys    of each slot its key, 64 bits; 0: it is free

Nothing is certain to come back: a file may be lost or damaged, a slot be given to another key while it is read. So what
is in a slot must tell by itself whether it is whole, and what was looked for. A killed process loses nothing.
"""

import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 8
_FEWEST = 256
_GROWTH = 5
"""A full file grows by this part of what it has."""


class Slots:
    """One pair of files, for one process. Reads wait for nobody; writes take turns."""

    def __init__(self, directory: Path, slot_bytes: int) -> None:
        """Slots of another size are in other files.

        Raises:
            OSError: the files cannot be made or mapped.
        """
        directory.mkdir(exist_ok=True)
        self._slots_file = directory / f"{slot_bytes}.slots"
        self._keys_file = directory / f"{slot_bytes}.keys"
        self._slot_bytes = slot_bytes
        self._writing = threading.Lock()
        self._map(max(_FEWEST, _size(self._keys_file) // _KEY_BYTES))
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
            self._slots[taken] = contents[new]
            self._keys[taken] = added = [keys[row] for row in new]
            self._places.update(zip(added, taken, strict=True))

    def remove(self, keys: Sequence[int]) -> None:
        """Empty the slots of these keys; nothing stays of what was in them."""
        with self._writing:
            places = [place for key in keys if (place := self._places.pop(key, None)) is not None]
            if places:
                self._keys[places] = 0
                self._slots[places] = 0
                self._free += places

    def _grow(self, missing: int) -> None:
        before = len(self._keys)
        self._map(before + max(missing, before // _GROWTH))
        self._free += reversed(range(before, len(self._keys)))

    def _map(self, count: int) -> None:
        """Map room for so many slots. Who reads the map before goes on to: it is the same file."""
        self._slots = _mapped(self._slots_file, count * self._slot_bytes).reshape(count, self._slot_bytes)
        self._keys = _mapped(self._keys_file, count * _KEY_BYTES).view(np.uint64)


def _mapped(path: Path, size: int) -> NDArray[np.uint8]:
    """All of a file of that size. Its blocks are taken now: a full disk is an error here, and no signal later."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        return np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
