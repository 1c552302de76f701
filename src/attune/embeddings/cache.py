"""Vectors of texts that were embedded before, kept within a bound, without the texts."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import replace

from attune.embeddings.items import Embedded, EmbedItem

_DIGEST_BYTES = 16
_ENTRY_BYTES = 512
"""What an entry takes beside its vector's data, with room to spare: CPython 3.11 allocates 340 bytes for it."""


class VectorCache:
    """The vectors of the texts last used, up to `capacity_bytes` of memory.

    A text is found by a keyed digest of it, of its domain and of all that its vector depends on: the cache holds no
    text, and what it holds says nothing outside this process. Not to be used by several threads.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._secret = secrets.token_bytes(_DIGEST_BYTES)
        self._entries: OrderedDict[bytes, Embedded] = OrderedDict()
        self._held_bytes = 0

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._entries)

    def key(self, item: EmbedItem, version: str = "") -> bytes:
        """What `find` and `keep` know the text by, where that version of its domain embeds it."""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=self._secret)
        # Nothing before the text has a NUL where it can be computed.
        how = f"{item.domain}\0{version}\0{item.role}\0{item.truncate:d}\0{item.augmentation}\0{item.explain:d}"
        keyed = f"{how}\0{item.text}"
        digest.update(keyed.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def find(self, key: bytes) -> Embedded | None:
        """The text's vector, which counts as used now."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def keep(self, key: bytes, embedded: Embedded) -> None:
        """Hold a vector, in place of those that were not used for longest if it must be."""
        size = _size(embedded)
        if key in self._entries or size > self._capacity_bytes:
            return
        vector = embedded.vector.copy()  # it may be a row of a batch, all of which it would keep
        vector.flags.writeable = False
        self._entries[key] = replace(embedded, vector=vector)
        self._held_bytes += size
        while self._held_bytes > self._capacity_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._held_bytes -= _size(oldest)


def _size(embedded: Embedded) -> int:
    return embedded.vector.nbytes + _ENTRY_BYTES
