"""Records as bytes and back, and what is refused."""

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, START, days, logs, projected, untimed

from attune.knowledge_store.codec import (
    FORMAT,
    decode,
    decode_digests,
    decode_suppressed,
    decode_view,
    encode,
    encode_digests,
    to_datetime,
    to_fields,
    to_microseconds,
)
from attune.knowledge_store.history import MOST_READINGS, MOST_STATEMENTS, History, Noted
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.record import REMEMBERED_EVENTS, UserRecord
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_model import Suppressed

OF_FORMAT_2 = (
    "02039b640433c8ccdcc8d8c4c8c40002800698595a0009035c02500b0d81fe89564a041a98a404742dc4b946c8eeae050001"
    "0000060050417c5902f2ff402013a3e93f808e80f09243d33f"
)
"""Two entities, one of them seen twice, as schema 5 kept them."""
names = st.text("ab/\0é", min_size=1, max_size=4)


def taken(events) -> UserRecord:
    record = UserRecord()
    for event in events:
        if record.take(event):
            for seen in event.observations:
                record.observe(seen)
            if event.reading:
                record.note_reading(event.reading)
            if event.statement:
                record.note_statement(event.statement)
    return record


@untimed
@given(logs(), st.none() | st.datetimes(timezones=st.just(UTC)), st.lists(st.binary(min_size=32, max_size=32)))
def test_a_record_comes_back_to_the_bit(events, until, fingerprints):
    record = taken(events)
    record.suppress(Suppressed(tuple(fingerprints), until))
    again = decode(encode(record))
    again.digests = decode_digests(encode_digests(record))
    assert again == record
    assert list(again.digests) == list(record.digests)
    assert encode(again) == encode(record)
    assert decode_suppressed(encode(record)) == record.suppressed
    assert decode_view(encode(record)).history == record.history


def test_equal_records_have_equal_bytes_whatever_came_first():
    one, other = (taken(projected(name, name, at=START) for name in order) for order in ("abc", "cba"))
    assert encode(one) == encode(other)


def test_twenty_entities_of_thirty_events_take_three_quarters_of_a_kilobyte():
    weights = (0.1 + n / 37 for n in range(30))
    events = [
        projected(f"event-{n}", f"Q{n % 20 * 7919 + 31}", at=days(n * 1.37), weight=weight)
        for n, weight in enumerate(weights)
    ]
    record = taken(events)
    assert len(encode(record)) + len(encode_digests(record)) < 768


def test_with_twenty_documents_read_they_take_less_than_a_kilobyte():
    events = []
    for n in range(30):
        entity_id, at = f"Q{n % 20 * 7919 + 31}", days(n * 1.37)
        read = Noted(f"article-{n * 7907:06}", at, entity_ids=(entity_id,)) if n % 3 else None
        events.append(replace(projected(f"event-{n}", entity_id, at=at, weight=0.1 + n / 37), reading=read))
    record = taken(events)
    assert len(record.readings) == 20
    assert len(encode(record)) + len(encode_digests(record)) < 1024


def test_a_full_history_of_long_ids_and_statements_stays_small():
    record = UserRecord()
    for n in range(2 * MOST_READINGS):
        record.note_reading(Noted(f"https://example.org/{n:0200}", days(n), entity_ids=("a", "b", "c")))
        record.note_statement(Noted(f"{n} " + "statement " * 29, days(n)))
    assert (len(record.readings), len(record.statements)) == (MOST_READINGS, MOST_STATEMENTS)
    assert len(encode(record)) < 4096


def test_a_record_of_format_2_is_read_as_one_without_a_history():
    record = decode(bytes.fromhex(OF_FORMAT_2))
    assert [state.entity_id for state in record.ranked()] == ["a", "b"]
    assert (record.readings, record.statements, record.history) == ({}, {}, History())
    assert encode(record)[0] == FORMAT


def test_a_record_of_the_format_before_is_read_and_written_in_todays():
    record = taken([projected("1", "a", "b", at=days(0.1)), projected("2", "a", at=days(30), weight=0.3)])
    old = b"\x01" + zlib.compress(json.dumps(to_fields(record)).encode(), wbits=-zlib.MAX_WBITS)
    again = decode(old)
    again.digests = record.digests
    assert again == record
    assert dict(decode_view(old).states) == dict(decode_view(encode(record)).states) == record.states
    assert encode(again) == encode(record) != old


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "format none, this version knows 01, 02, 03: upgrade attune"),
        (b"\x04abc", "format 04, this version knows 01, 02, 03: upgrade attune"),
        (b"\x01abc", "damaged .*: restore a backup"),
        (b"\x02abc", "damaged .*: restore a backup"),
        (b"\x03abc", "damaged .*: restore a backup"),
        (encode(UserRecord()) + b"x", "damaged .*1 bytes too many.*: restore a backup"),
        (encode(UserRecord())[:-3], "damaged .*: restore a backup"),
    ],
)
def test_other_bytes_are_refused(content, problem):
    with pytest.raises(StoreError, match=problem):
        decode(content)


def test_only_so_many_events_are_remembered_the_oldest_go_first():
    record = UserRecord()
    for number in range(REMEMBERED_EVENTS + 1):
        assert record.take(projected(str(number)))
    assert len(record.digests) == REMEMBERED_EVENTS
    assert not record.take(projected("1"))
    assert record.take(projected("0"))
    assert record.events == REMEMBERED_EVENTS + 2


@untimed
@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back_to_the_microsecond(moment):
    assert to_datetime(to_microseconds(moment)) == moment


@pytest.mark.parametrize(("moment", "microseconds"), [(0, 0), (1, 1_000_000), (-1, -1_000_000)])
def test_moments_are_counted_from_1970(moment, microseconds):
    assert to_microseconds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)) == microseconds


@untimed
@given(names, names, names, names)
def test_two_users_have_the_same_digest_only_if_they_are_one(tenant, user, other_tenant, other_user):
    one, other = UserKey(tenant, user), UserKey(other_tenant, other_user)
    assert (one.digest == other.digest) == (one == other)
    assert len(ANNA.digest) == 16
