"""A record's fields (codec.py) in few bytes: what repeats is deflated, numbers without a pattern are kept as they are.

    deflated JSON | width, first seen ... | width, elapsed ... | weight ... | recent ... | history | history

The JSON is the fields with "e": [changed, weighed, [entity, ...], [[code, count, ...], ...]]. The entities of which
most is to be told come first: the first `changed` have an elapsed time and a recent weight, the first `weighed` a
weight; that of the others is 1. Times are integers in two's complement, each as wide, in bytes, as the widest of its
column; weights are doubles. All are little-endian.

Of documents ("d") and statements ("p"), where there are any, the JSON has [[text, ...], [digests, ...], [place of a
rejected one, ...]], digests being how many each has. Their histories are width, minutes ... | width, digest ...
"""

import json
import struct
import zlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

_COMMON = (
    b'["4d",1,"0q",1],["2d",1,"4d",1],["2d",1,"0q",1],["2d",1],["4d",1],["0q",1],["2d",1],["0q",1]]],"s":["'
    b'{"n":30,"t":[17,17,null],"e":[0,0,[]6,17,["Q1","Q2","/m/0","/m/0","Q1","Q2'
)
"""Where deflating finds what most records have. It is part of the format: no record can be read with another."""
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)
_WIDEST = 8
_FEW = 32
"""Numbers that Python converts one by one in less time than it takes to make an array of them."""
_INTEGER = "<i8"
_CHANGED, _WEIGHED = 2, 1
_HISTORIES = ("d", "p")


def pack(fields: dict[str, Any]) -> bytes:
    """Equal fields give equal bytes."""
    ranked = sorted([(-_told(row), row[0], row) for row in fields["e"]])
    rows, told = [row for _, _, row in ranked], [-rank for rank, _, _ in ranked]
    changed = told.count(_CHANGED)
    weighed = changed + told.count(_WEIGHED)
    head = {**fields, "e": [changed, weighed, [row[0] for row in rows], [row[5:] for row in rows]]}
    head |= {name: _headed(fields[name]) for name in _HISTORIES if name in fields}
    columns = [
        _integers([row[1] for row in rows]),
        _integers([row[2] for row in rows[:changed]]),
        _doubles([row[3] for row in rows[:weighed]]),
        _doubles([row[4] if _has_recent(row) else row[3] for row in rows[:changed]]),
        *(column for name in _HISTORIES if name in fields for column in _history(fields[name])),
    ]
    text = _JSON.encode(head)
    deflating = zlib.compressobj(level=6, wbits=-zlib.MAX_WBITS, zdict=_COMMON)
    return b"".join([deflating.compress(text.encode()), deflating.flush(), *columns])


def unpack(content: bytes) -> dict[str, Any]:
    """What was packed, with the entities in another order.

    Raises zlib.error, or ValueError, KeyError or TypeError, for other bytes.
    """
    inflating = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_COMMON)
    fields: dict[str, Any] = json.loads(inflating.decompress(content))
    changed, weighed, ids, counts = fields["e"]
    columns = _Columns(inflating.unused_data)
    first = columns.integers(len(ids))
    elapsed = columns.integers(changed) + [0] * (len(ids) - changed)
    weights = columns.doubles(weighed) + [1.0] * (len(ids) - weighed)
    recent = columns.doubles(changed) + [0] * (len(ids) - changed)
    for name in _HISTORIES:
        if name in fields:
            fields[name] = _unheaded(fields[name], columns)
    columns.require_end()
    rows = zip(ids, first, elapsed, weights, recent, counts, strict=True)
    fields["e"] = [[each, seen, since, much, lately, *counted] for each, seen, since, much, lately, counted in rows]
    return fields


class _Columns:
    """Numbers, read one column after the other. Raises ValueError where they end too early."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def integers(self, count: int) -> list[int]:
        width = self._taken(1)[0]
        if not 0 < width <= _WIDEST:
            raise ValueError(f"numbers of {width} bytes")
        if count <= _FEW:
            column = self._taken(count * width)
            places = range(0, len(column), width)
            return [int.from_bytes(column[at : at + width], "little", signed=True) for at in places]
        wide = np.zeros((count, _WIDEST), np.uint8)
        wide[:, _WIDEST - width :] = np.frombuffer(self._taken(count * width), np.uint8).reshape(count, width)
        # They lie in the upper bytes: shifted down, each brings its sign along.
        found: list[int] = (wide.view(_INTEGER)[:, 0] >> 8 * (_WIDEST - width)).tolist()
        return found

    def doubles(self, count: int) -> list[float]:
        return list(struct.unpack(f"<{count}d", self._taken(count * _WIDEST)))

    def require_end(self) -> None:
        if self._at != len(self._content):
            raise ValueError(f"{len(self._content) - self._at} bytes too many")

    def _taken(self, length: int) -> bytes:
        taken = self._content[self._at : self._at + length]
        if len(taken) != length:
            raise ValueError("it ends too early")
        self._at += length
        return taken


def _headed(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    rejected = [place for place, row in enumerate(rows) if row[2]]
    return [[row[0] for row in rows], [len(row) - 3 for row in rows], rejected]


def _history(rows: Sequence[Sequence[Any]]) -> list[bytes]:
    return [_integers([row[1] for row in rows]), _integers([digest for row in rows for digest in row[3:]])]


def _unheaded(head: list[list[Any]], columns: _Columns) -> list[list[Any]]:
    texts, counts, rejected = head
    minutes = columns.integers(len(texts))
    digests = iter(columns.integers(sum(counts)))
    of_each = [list(islice(digests, count)) for count in counts]
    flags = [int(place in rejected) for place in range(len(texts))]
    rows = zip(texts, minutes, flags, of_each, strict=True)
    return [[text, at, flag, *about] for text, at, flag, about in rows]


def _told(row: Sequence[Any]) -> int:
    """Which columns an entity needs."""
    if row[2] or _has_recent(row):
        return _CHANGED
    return 0 if row[3] == 1 else _WEIGHED


def _has_recent(row: Sequence[Any]) -> bool:
    """Whether it differs from the weight: an integer 0 says that it does not."""
    return type(row[4]) is not int


def _integers(numbers: Sequence[int]) -> bytes:
    width = max((number.bit_length() // 8 + 1 for number in numbers), default=1)
    if len(numbers) <= _FEW:
        return bytes([width]) + b"".join([number.to_bytes(width, "little", signed=True) for number in numbers])
    column = np.array(numbers, _INTEGER).view(np.uint8).reshape(-1, _WIDEST)[:, :width]
    return bytes([width]) + column.tobytes()


def _doubles(numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)
