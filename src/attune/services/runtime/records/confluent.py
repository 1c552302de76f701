"""The frame of Confluent's serializers: a zero byte, four bytes of schema id, for protobuf the path of the message.

Neither a protobuf message nor JSON can begin with a zero byte, so a frame is never taken for a value. No registry is
asked: the schema id says which text the producer registered, and the value has to be ours whatever the text.
"""

from attune.services.runtime.records.refusal import InvalidRecordError, Reason

_MAGIC = b"\x00"
_HEAD_BYTES = 5
_MESSAGE_PATHS = (b"\x00", b"\x02\x00")
"""The first message of the file, [0], in its short form and written out (zigzag varints: length 1, index 0)."""


def unframed(value: bytes) -> bytes:
    """A JSON value without its frame, where it has one.

    Raises:
        InvalidRecordError: the frame is cut short.
    """
    if not value.startswith(_MAGIC):
        return value
    if len(value) < _HEAD_BYTES:
        raise InvalidRecordError(Reason.MALFORMED, "the Schema Registry frame is cut short: five bytes are needed")
    return value[_HEAD_BYTES:]


def unframed_protobuf(value: bytes) -> bytes:
    """A protobuf value without its frame, where it has one.

    Raises:
        InvalidRecordError: the frame is cut short, or leads to another message than the first of the file.
    """
    rest = unframed(value)
    if rest is value:
        return value
    for path in _MESSAGE_PATHS:
        if rest.startswith(path):
            return rest[len(path) :]
    if not rest:
        raise InvalidRecordError(Reason.MALFORMED, "the Schema Registry frame is cut short: message indexes are needed")
    raise InvalidRecordError(
        Reason.UNKNOWN_SCHEMA,
        "the Schema Registry frame names another message than its file's first, which is the one that this topic holds",
    )
