"""Dead letters: records that are not what their topic holds, as they came, with the reason and the place of each.

A dead letter is known by the position of its record. A worker that is killed between setting it aside and moving its
offset sets it aside again, so readers count a position once. A letter that was replayed is followed by a marker for its
position, and is no longer among those that lie here. Both have the record's own key: forgetting finds them by it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES, entry_bytes
from attune.services.runtime.eventlog.port import Entry, LogReader, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.state_topics import every_record

_CODE = "attune_code"
_SENTENCE = "attune_reason"
_POSITION = "attune_position"
_TIMESTAMP = "attune_timestamp_ms"
_WHOLE = "attune_whole_bytes"
_OURS = {_CODE, _SENTENCE, _POSITION, _TIMESTAMP, _WHOLE}
_REPLAYED = b"replayed"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One that lies there."""

    record: Record
    """As it came; with less of it where it was too large to be set aside whole."""
    code: str
    """A `Reason`; empty in what attune wrote before there were codes."""
    sentence: str
    set_aside_ms: int
    """When, in milliseconds since 1970 UTC."""
    whole_bytes: int
    """Of key, value and headers when it came. What the letter lacks of them is in the log at the record's position."""

    @property
    def position(self) -> Position:
        """Where the record came from."""
        return Position(self.record.topic, self.record.partition, self.record.offset)

    @property
    def is_cut(self) -> bool:
        """Whether a part had to be left out."""
        return entry_bytes(self.record.key, self.record.value, self.record.headers) < self.whole_bytes


def written(position: Position) -> str:
    """A position as the headers and commands have it: topic/partition/offset."""
    return f"{position.topic}/{position.partition}/{position.offset}"


def parse_position(text: str) -> Position:
    """The position that is written so.

    Raises:
        ValueError: none is.
    """
    topic, partition, offset = text.rsplit("/", 2)
    return Position(topic, int(partition), int(offset))


def dead_letter(record: Record, error: InvalidRecordError) -> Entry:
    """A record as the dead-letter topic takes it: the log's limit holds for it and its reason together."""
    position = Position(record.topic, record.partition, record.offset)
    why: Headers = (
        (_CODE, error.reason.encode()),
        (_SENTENCE, str(error).encode()),
        (_POSITION, written(position).encode()),
        (_TIMESTAMP, str(record.timestamp_ms).encode()),
        (_WHOLE, str(entry_bytes(record.key, record.value, record.headers)).encode()),
    )
    return _fitting(record, why)


def replayed_marker(letter: DeadLetter) -> Entry:
    """What follows a letter in its topic once its record is among the events."""
    return Entry(letter.record.key, b"", ((_CODE, _REPLAYED), (_POSITION, written(letter.position).encode())))


def dead_letters(event_log: LogReader, topic: str = DEAD_LETTER_TOPIC) -> Iterator[DeadLetter]:
    """All that lie in a topic of dead letters by now, each once, partition by partition.

    The topic is read twice, and kept in memory are the positions alone, about 250 bytes for each.
    """
    passed = {
        position for record in every_record(event_log, topic) if (position := _position_if_replayed(record)) is not None
    }
    for record in every_record(event_log, topic):
        letter = dead_letter_of(record)
        if letter is not None and letter.position not in passed:
            passed.add(letter.position)
            yield letter


def _fitting(record: Record, why: Headers) -> Entry:
    """With as much of the value as there is room for; without the headers, or the key, that leave none for `why`."""
    for key, headers in ((record.key, record.headers), (record.key, ()), (b"", ())):
        room = MAX_ENTRY_BYTES - entry_bytes(key, b"", (*headers, *why))
        if room >= 0:
            break
    return Entry(key, record.value[:room], (*headers, *why))


def _position_if_replayed(record: Record) -> Position | None:
    ours, _ = _split(record.headers)
    return _position(ours) if ours.get(_CODE) == _REPLAYED else None


def dead_letter_of(record: Record) -> DeadLetter | None:
    """What a record of their topic holds; None for a marker, and for what somebody else wrote there."""
    ours, theirs = _split(record.headers)
    position = _position(ours)
    if position is None or ours.get(_CODE) == _REPLAYED:
        return None
    try:
        came_ms = int(ours.get(_TIMESTAMP, record.timestamp_ms))
        original = Record(
            position.topic, position.partition, position.offset, came_ms, record.key, record.value, theirs
        )
        whole_bytes = int(ours.get(_WHOLE, entry_bytes(record.key, record.value, theirs)))
        code, sentence = ours.get(_CODE, b"").decode(), ours.get(_SENTENCE, b"").decode()
    except ValueError:
        return None
    return DeadLetter(original, code, sentence, record.timestamp_ms, whole_bytes)


def _split(headers: Sequence[tuple[str, bytes]]) -> tuple[dict[str, bytes], Headers]:
    """Our headers, and those the record came with: ours are the last of each name, and nothing comes after them."""
    ours: dict[str, bytes] = {}
    end = len(headers)
    while end and headers[end - 1][0] in _OURS and headers[end - 1][0] not in ours:
        end -= 1
        ours[headers[end][0]] = headers[end][1]
    return ours, tuple(headers[:end])


def _position(ours: dict[str, bytes]) -> Position | None:
    try:
        return parse_position(ours[_POSITION].decode())
    except (KeyError, ValueError):
        return None
