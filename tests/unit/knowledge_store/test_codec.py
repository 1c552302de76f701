"""Records as bytes and back, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, START, days, logs, projected, untimed

from attune.knowledge_store.codec import (
    decode,
    decode_digests,
    encode,
    encode_digests,
    to_datetime,
    to_microseconds,
)
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.record import REMEMBERED_EVENTS, UserRecord
from attune.knowledge_store.store import StoreError, Suppressed

names = st.text("ab/\0é", min_size=1, max_size=4)


def taken(events) -> UserRecord:
    record = UserRecord()
    for event in events:
        if record.take(event):
            for seen in event.observations:
                record.observe(seen)
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


def test_equal_records_have_equal_bytes_whatever_came_first():
    one, other = (taken(projected(name, name, at=START) for name in order) for order in ("abc", "cba"))
    assert encode(one) == encode(other)


def test_twenty_entities_of_thirty_events_take_less_than_a_kilobyte():
    events = [projected(f"event-{n}", f"Q{n % 20 * 7919 + 31}", at=days(n * 1.37)) for n in range(30)]
    record = taken(events)
    assert len(encode(record)) + len(encode_digests(record)) < 1000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "format none, this version knows 01: upgrade attune"),
        (b"\x02abc", "format 02, this version knows 01: upgrade attune"),
        (b"\x01abc", "damaged .*: restore a backup"),
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
