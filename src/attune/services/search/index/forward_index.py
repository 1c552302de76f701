"""The forward index: of each document what ranking reads, its vector and all but its texts, beside the embedded engine.

The engine parses a payload from disk for each document that it is asked for, and hands a vector out as a list of Python
floats: 20 ms of a core for the 190 documents of a search. Here they are read together, which takes a fifth of that.

The engine alone says what a document is: it tells a content digest with each document that a search finds, and what is
here counts only where it has that digest. So nothing here need be as durable as the engine, or in step with it.

    a slot: checksum, lengths of space and JSON, digest, vector [d], space, JSON
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from attune.services.search.index.fields import DeclaredFields, from_stored
from attune.services.search.index.points import (
    ATTRIBUTES,
    DIGEST,
    DOMAIN,
    ENTITY_IDS,
    FIELDS,
    ID,
    LANGUAGE,
    PRINCIPALS,
    SPACE,
    URL,
    Payload,
    slot_keys,
)
from attune.services.search.index.port import Document, FloatVector, SpaceVector, ToRank
from attune.services.search.index.slots import Slots

_log = structlog.get_logger("attune.search.index")

READ = (ID, DIGEST, SPACE, DOMAIN, ENTITY_IDS, ATTRIBUTES, URL, FIELDS, PRINCIPALS, LANGUAGE)
"""What of a payload is written here."""
_DIGEST_BYTES = 64
_JSON_BYTES = 704
"""At least: a slot is rounded up. A document that takes more is read from the engine, and its vector here."""
_ROUNDED = 256
"""Slots are multiples of so many bytes."""
_ROUNDING = 1e-6
_REST_S = 60.0
_SLOWER = "documents are slower to rank: what ranking reads of them is not at hand"
_LAYOUT = 1
"""In the checksum, with the dimension, so that slots of another layout do not count."""
_ODD = 0x9E3779B97F4A7C15
"""The golden ratio as 64 bits: its multiples are spread evenly, as the checksum's weights should be."""


class ForwardIndex:
    """Of one generation. Threads may read and write at once: what is read is whole and of the digest asked for.

    It can be done without: where its files cannot be opened, or not grow, it has nothing, or nothing new, and the log
    says so.
    """

    def __init__(
        self, directory: Path, dimension: int, fields: DeclaredFields, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._resting_until = -math.inf
        self._types = fields.types
        self._layout = np.uint64(_LAYOUT << 32 | dimension)
        head = [("checksum", "<u8"), ("space", "<u2"), ("json", "<u2"), ("digest", f"S{_DIGEST_BYTES}")]
        bare = np.dtype([*head, ("vector", "<f4", dimension)]).itemsize + _JSON_BYTES
        size = -(-bare // _ROUNDED) * _ROUNDED
        self._room = size - bare + _JSON_BYTES
        self._slot = np.dtype([*head, ("vector", "<f4", dimension), ("rest", "V", self._room)])
        self._weights = np.arange(1, size // 8, dtype=np.uint64) * np.uint64(_ODD) | np.uint64(1)
        try:
            self._slots: Slots | None = Slots(directory, size)
        except OSError as error:
            self._slots = None
            _log.warning(_SLOWER, error=str(error))

    def __len__(self) -> int:
        return 0 if self._slots is None else len(self._slots)

    def to_rank(self, tenant: str, digests: Mapping[str, str]) -> ToRank:
        """Of those of the documents that are here with these digests."""
        ids, slots = self._read(tenant, digests)
        return ToRank(self._documents(ids, slots), _vectors(ids, slots))

    def vectors(self, tenant: str, digests: Mapping[str, str]) -> dict[str, SpaceVector]:
        """Their vectors alone."""
        return _vectors(*self._read(tenant, digests))

    def write(self, tenant: str, rows: Iterable[tuple[Payload, FloatVector]]) -> None:
        """Put documents here, of which a payload has at least `READ`, as far as they have that; and their vectors [d].

        Where there is no room for them it is tried again after a minute.
        """
        kept = {payload[ID]: (payload, vector) for payload, vector in rows if self._fits(payload)}
        if not kept or self._slots is None or self._clock() < self._resting_until:
            return
        slots = np.zeros(len(kept), self._slot)
        vectors = np.stack([vector for _, vector in kept.values()])
        slots["vector"] = _unit(vectors)
        for row, (payload, _) in enumerate(kept.values()):
            space, content = payload.get(SPACE, "").encode(), _json(payload)
            content = content if len(space) + len(content) <= self._room else b""
            slots["space"][row], slots["json"][row] = len(space), len(content)
            slots["digest"][row], slots["rest"][row] = payload[DIGEST].encode(), np.void(space + content)
        slots["checksum"] = self._checksums(slots)
        try:
            self._slots.write(slot_keys(tenant, kept), _bytes(slots))
        except OSError as error:
            self._resting_until = self._clock() + _REST_S
            _log.warning(_SLOWER, error=str(error))

    def remove(self, tenant: str, ids: Iterable[str]) -> None:
        """Nothing stays of these documents."""
        if self._slots is not None:
            self._slots.remove(slot_keys(tenant, ids))

    def _read(self, tenant: str, digests: Mapping[str, str]) -> tuple[list[str], NDArray[np.void]]:
        """Which of the documents are here with these digests, and their slots."""
        if self._slots is None:
            return [], np.zeros(0, self._slot)
        found, contents = self._slots.read(slot_keys(tenant, digests))
        slots = contents.view(self._slot)[:, 0]
        wanted = list(digests.items())
        # One byte more, or a longer digest would be cut to one that is here.
        expected = np.array([wanted[place][1].encode() for place in found], f"S{_DIGEST_BYTES + 1}")
        good = (slots["digest"] == expected) & (slots["checksum"] == self._checksums(slots))
        return [wanted[place][0] for place, is_good in zip(found, good.tolist(), strict=True) if is_good], slots[good]

    def _checksums(self, slots: NDArray[np.void]) -> NDArray[np.uint64]:
        """Of each slot, of all that comes after the checksum."""
        words = _bytes(slots).view(np.uint64)[:, 1:]
        return np.asarray(words @ self._weights + self._layout, np.uint64)

    def _fits(self, payload: Payload) -> bool:
        return len(payload[DIGEST].encode()) <= _DIGEST_BYTES and len(payload.get(SPACE, "").encode()) <= self._room

    def _documents(self, ids: Sequence[str], slots: NDArray[np.void]) -> dict[str, Document]:
        lengths = zip(ids, slots["rest"].tolist(), slots["space"].tolist(), slots["json"].tolist(), strict=True)
        parts = {id_: rest[space : space + json_] for id_, rest, space, json_ in lengths if json_}
        contents = json.loads(b"[%s]" % b",".join(parts.values()))  # all at once, which is twice as fast
        return {id_: self._document(id_, *content) for id_, content in zip(parts, contents, strict=True)}

    def _document(
        self,
        id_: str,
        domain: str,
        entity_ids: Sequence[str],
        attributes: Mapping[str, str],
        url: str,
        fields: Payload,
        principals: Sequence[str],
        language: str,
    ) -> Document:
        typed = {name: from_stored(value, self._types.get(name)) for name, value in fields.items()} if fields else {}
        return Document(id_, "", "", domain, tuple(entity_ids), attributes, url, typed, tuple(principals), language)


def _vectors(ids: Sequence[str], slots: NDArray[np.void]) -> dict[str, SpaceVector]:
    lengths = slots["space"].tolist()
    spaces = [bytes(slots["rest"][row])[:length].decode() if length else "" for row, length in enumerate(lengths)]
    vectors = np.ascontiguousarray(slots["vector"])
    return {id_: SpaceVector(space, row) for id_, space, row in zip(ids, spaces, vectors, strict=True)}


def _json(payload: Payload) -> bytes:
    """What ranking reads of a document beside its vector, in the order of `Document`'s fields."""
    document = [
        payload[DOMAIN],
        payload[ENTITY_IDS],
        payload[ATTRIBUTES],
        payload[URL],
        payload.get(FIELDS, {}),
        payload.get(PRINCIPALS, ()),
        payload.get(LANGUAGE, ""),
    ]
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """As the engine has them: of length one, and as they are where they have it already; or zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(np.abs(norms - 1) < _ROUNDING, vectors, vectors / np.maximum(norms, _ROUNDING))


def _bytes(slots: NDArray[np.void]) -> NDArray[np.uint8]:
    """Slots [n] as bytes [n, slot]."""
    return slots.view(np.uint8).reshape(len(slots), slots.dtype.itemsize)
