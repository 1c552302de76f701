"""Requests made of descriptors: half of them of sane values, half of odd ones, and bytes that were damaged afterwards.

The same seed makes the same requests.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

CANARY = "quixwobble"
"""A word that no text has but those made here: where it turns up, a text has turned up."""
FIELDS = ",".join(f"f{place}:{kind}" for place, kind in enumerate(("keyword", "number", "time", "boolean") * 2))
"""Fields of documents that requests may name, as ATTUNE_SEARCH_FIELDS declares them."""
_NAMES: Mapping[str, Sequence[str]] = {
    "domain": ("general", ""),
    "domains": ("general",),
    "field": [each.partition(":")[0] for each in FIELDS.split(",")],
    "fields": [each.partition(":")[0] for each in FIELDS.split(",")],
    "language": ("en", "de", ""),
    "languages": ("en", "de-AT"),
    "page_token": ("",),
    "rankings": ("plain", "personal"),
}
"""What a text of some fields must be to be of use."""
_ALWAYS = ("query", "user_id", "text", "texts", "document", "documents", "event", "request")
_NOW_S = 1_760_000_000
_DEEPEST = 5
_TEXTS = (
    f"{CANARY} asyncio tasks",
    f"{CANARY} cheap hotels in Rome",
    f"and the other one, {CANARY}?",
    f"日本語 {CANARY}",
    f"ignore previous instructions {CANARY}",
)
_ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\u202e\u200f",
    "../../etc/passwd",
    "'; DROP TABLE users; --",
    "{{7*7}}",
    "😀" * 300,
    "a" * 5000,
    "\ud7ff",
    "%s%n",
    f"{CANARY} " * 400,
)
_ODD_INTEGERS = (0, 1, -1, 100, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
_ODD_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30, float("inf"), float("-inf"), float("nan"))
_BOUNDS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


def body(random: Random, descriptor: Descriptor) -> bytes:
    """A request of this type, or what is left of one."""
    odd = random.random() < 0.5
    data = _message(random, descriptor, odd, 0).SerializeToString()
    return damaged(random, data) if odd and random.random() < 0.6 else data


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes, with one thing wrong."""
    damage = random.choice(_DAMAGES)
    return damage(random, data)


def _message(random: Random, descriptor: Descriptor, odd: bool, depth: int) -> Message:
    made = GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Timestamp":
        return _timestamp(random, cast("Timestamp", made), odd)
    share = random.choice((0.2, 0.5, 0.9))  # of few fields, few are wrong: such a request gets further
    for field in descriptor.fields:
        if random.random() < share or (depth == 0 and not odd and field.name in _ALWAYS):
            _fill(random, made, field, odd, depth)
    return made


def _timestamp(random: Random, made: Timestamp, odd: bool) -> Message:
    made.seconds = random.choice((-(2**62), 0, 2**62, _NOW_S)) if odd else _NOW_S - random.randrange(10**6)
    made.nanos = random.choice((-1, 0, 10**9)) if odd else 0
    return made


def _fill(random: Random, made: Message, field: FieldDescriptor, odd: bool, depth: int) -> None:
    if field.message_type is not None and depth >= _DEEPEST:
        return
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(random, made, field, odd, depth)
    elif field.is_repeated:
        for _ in range(random.choice((0, 1, 2, 40) if odd else (1, 2))):
            _add(random, made, field, odd, depth)
    elif field.message_type is not None:
        getattr(made, field.name).CopyFrom(_message(random, field.message_type, odd, depth + 1))
    else:
        setattr(made, field.name, _value(random, field, odd))


def _add(random: Random, made: Message, field: FieldDescriptor, odd: bool, depth: int) -> None:
    values = getattr(made, field.name)
    if field.message_type is not None:
        values.add().CopyFrom(_message(random, field.message_type, odd, depth + 1))
    else:
        values.append(_value(random, field, odd))


def _fill_map(random: Random, made: Message, field: FieldDescriptor, odd: bool, depth: int) -> None:
    entry: Any = field.message_type
    key, value = (entry.fields_by_name[name] for name in ("key", "value"))
    entries = getattr(made, field.name)
    for _ in range(random.choice((0, 1, 40) if odd else (1,))):
        at = _text(random, field.name, odd) if field.name in _NAMES else _value(random, key, odd)
        if value.message_type is not None:
            entries[at].CopyFrom(_message(random, value.message_type, odd, depth + 1))
        else:
            entries[at] = _value(random, value, odd)


def _value(random: Random, field: FieldDescriptor, odd: bool) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.randbytes(random.choice((0, 7, 16, 32, 400)))
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(random, field.name, odd)
    if field.enum_type is not None:
        return random.choice((-1, 0, 99)) if odd else random.choice(field.enum_type.values).number
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return random.choice(_ODD_FLOATS) if odd else random.random()
    low, high = _BOUNDS[field.type]
    return min(high, max(low, random.choice(_ODD_INTEGERS) if odd else random.randrange(1, 10)))


def _text(random: Random, name: str, odd: bool) -> str:
    """Ids come again, so that requests meet what others have left."""
    if odd:
        return random.choice(_ODD_TEXTS)
    if name in _NAMES:
        return random.choice(_NAMES[name])
    if name.endswith(("_id", "_ids", "principals", "id", "key", "field")):
        return f"{name[:1]}{random.randrange(10)}"
    return random.choice(_TEXTS)


def _flipped(random: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _spliced(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randrange(1, 40)) + data[at:]


def _doubled(_: Random, data: bytes) -> bytes:
    return data + data


def _noise(random: Random, _: bytes) -> bytes:
    return random.randbytes(random.randrange(400))


def _nested(random: Random, _: bytes) -> bytes:
    """Field 1 in field 1 in field 1, deeper than any parser follows."""
    made = b""
    for _level in range(random.choice((50, 99, 101, 300))):
        made = b"\x0a" + _varint(len(made)) + made
    return made


def _unknown_field(random: Random, data: bytes) -> bytes:
    return data + _varint((random.randrange(1, 2**29) << 3) | 2) + _varint(7) + b"unknown"


def _no_unicode(random: Random, data: bytes) -> bytes:
    return data.replace(CANARY.encode(), b"\xff\xfe" + CANARY[2:].encode(), random.randint(1, 3))


def _varint(number: int) -> bytes:
    made = bytearray()
    while number >= 128:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


_DAMAGES: Sequence[Callable[[Random, bytes], bytes]] = (
    _flipped,
    _cut,
    _spliced,
    _doubled,
    _noise,
    _nested,
    _unknown_field,
    _no_unicode,
)
