"""Dead letters: the record as it came, why and from where, and each position once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.services.runtime.dead_letters import dead_letter, dead_letters, parse_position, replayed_marker, written
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES, check_size
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

NOW = datetime(2026, 11, 3, tzinfo=UTC)
WHY = InvalidRecordError(Reason.MALFORMED, "it is no event")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path, partitions=3)
    yield opened
    opened.close()


def record(offset: int, key: bytes = b"acme/ada", value: bytes = b"\xff", **changes: object) -> Record:
    return Record(TOPIC, 0, offset, 7, key, value, **changes)  # type: ignore[arg-type]


def set_aside(log: LocalEventLog, *records: Record) -> None:
    log.append(DEAD_LETTER_TOPIC, [dead_letter(each, WHY) for each in records], NOW)


names = st.sampled_from(
    ["ce_id", "content-type", "attune_code", "attune_reason", "attune_position", "attune_whole_bytes"]
)
headers = st.lists(st.tuples(names, st.binary(max_size=8)), max_size=4).map(tuple)


@settings(deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=50), headers)
def test_it_is_read_as_it_came_whatever_it_is(key: bytes, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    with TemporaryDirectory() as directory:
        log = LocalEventLog(Path(directory))
        came = record(3, key, value, headers=headers)
        set_aside(log, came)
        (letter,) = dead_letters(log)
        assert letter.record == came
        assert (letter.code, letter.sentence, letter.is_cut) == ("malformed", "it is no event", False)
        log.close()


def test_one_that_was_set_aside_twice_counts_once(log: LocalEventLog) -> None:
    set_aside(log, record(3), record(9))
    set_aside(log, record(3), record(9), record(4))
    assert [each.position.offset for each in dead_letters(log)] == [3, 9, 4]


def test_one_that_was_replayed_lies_there_no_more_though_it_is_set_aside_again(log: LocalEventLog) -> None:
    set_aside(log, record(3), record(4))
    first, _ = dead_letters(log)
    log.append(DEAD_LETTER_TOPIC, [replayed_marker(first)], NOW)
    set_aside(log, record(3))
    assert [each.position.offset for each in dead_letters(log)] == [4]


def test_what_others_wrote_there_is_passed_over(log: LocalEventLog) -> None:
    odd = [
        (("attune_position", b"nowhere"),),
        (("attune_position", b"t/0/1"), ("attune_whole_bytes", b"many")),
        (("attune_position", b"t/0/1"), ("attune_code", b"\xff")),
        (),
    ]
    log.append(DEAD_LETTER_TOPIC, [Entry(b"k", b"v", each) for each in odd], NOW)
    set_aside(log, record(1))
    assert [each.position.offset for each in dead_letters(log)] == [1]


def test_one_of_a_version_without_codes_is_read(log: LocalEventLog) -> None:
    old = (("ce_id", b"1"), ("attune_reason", b"why"), ("attune_position", f"{TOPIC}/0/5".encode()))
    log.append(DEAD_LETTER_TOPIC, [Entry(b"acme/ada", b"v", old)], NOW)
    (letter,) = dead_letters(log)
    assert (letter.code, letter.sentence, letter.record.headers) == ("", "why", (("ce_id", b"1"),))


@pytest.mark.parametrize(
    "came",
    [
        record(1, value=b"v" * MAX_ENTRY_BYTES),
        record(1, value=b"v" * (MAX_ENTRY_BYTES - 8)),
        record(1, headers=(("h", b"h" * MAX_ENTRY_BYTES),)),
        record(1, key=b"k" * MAX_ENTRY_BYTES),
    ],
)
def test_one_that_is_too_large_for_the_log_with_its_reason_is_cut_and_says_so(log: LocalEventLog, came: Record) -> None:
    check_size(dead_letter(came, WHY))
    set_aside(log, came)
    (letter,) = dead_letters(log)
    assert letter.is_cut
    assert letter.position == Position(TOPIC, 0, 1)
    assert came.value.startswith(letter.record.value)


def test_forgetting_finds_letters_and_markers_by_the_records_key(log: LocalEventLog) -> None:
    set_aside(log, record(3), record(4, b"acme/bea"))
    ada = next(each for each in dead_letters(log) if each.record.key == b"acme/ada")
    log.append(DEAD_LETTER_TOPIC, [replayed_marker(ada)], NOW)
    assert log.redact(DEAD_LETTER_TOPIC, b"acme/ada") == 2
    assert [each.record.key for each in dead_letters(log)] == [b"acme/bea"]


def test_a_position_is_written_and_read() -> None:
    position = Position("a.topic-v1", 3, 12)
    assert parse_position(written(position)) == position
    for wrong in ("", "topic", "topic/1", "topic/one/2"):
        with pytest.raises(ValueError, match=r"."):
            parse_position(wrong)
