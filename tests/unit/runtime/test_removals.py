"""Removals in the log: they come back as they went in, are taken once, and none that cannot be read is passed over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.knowledge.v1.removal_pb2 import Removal as RemovalMessage
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Removal, Suppressed
from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import log_key
from attune.services.runtime.removals import (
    FORGETS_TOPIC,
    REMOVALS_TOPIC,
    _parse,
    append_removal,
    restore_removals,
)

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA, BEA = UserKey("acme", "ada"), UserKey("acme", "bea")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def restored(log: LocalEventLog) -> MemoryStore:
    store = MemoryStore()
    restore_removals(log, store)
    return store


moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
suppressed = st.builds(
    Suppressed, st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple), st.none() | moments
)
removals = st.one_of(
    st.builds(Removal, st.builds(UserKey, names, names), moments, st.just("") | names),
    st.builds(
        lambda user, at, which: Removal(user, at, suppressed=which),
        st.builds(UserKey, names, names),
        moments,
        suppressed,
    ),
)


@settings(deadline=None, max_examples=60)
@given(given_removal=removals)
def test_a_removal_comes_back_to_the_microsecond(
    given_removal: Removal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = LocalEventLog(tmp_path_factory.mktemp("log"))
    append_removal(log, given_removal)
    (record,) = [each for topic in (FORGETS_TOPIC, REMOVALS_TOPIC) for each in log.poll(topic, 0, 0, 9, 1 << 20, 0)]
    assert _parse(record) == given_removal
    assert record.key == log_key(given_removal.user)


def test_tombstones_of_users_outlive_the_parts(log: LocalEventLog) -> None:
    for removal in (Removal(ADA, NOW), Removal(ADA, NOW, "asyncio"), Removal(ADA, NOW, suppressed=Suppressed())):
        append_removal(log, removal)
    assert [log.end_offset(topic, 0) for topic in (FORGETS_TOPIC, REMOVALS_TOPIC)] == [1, 2]


def test_removals_are_read_once_and_from_where_the_store_says(log: LocalEventLog) -> None:
    append_removal(log, Removal(ADA, NOW))
    store = restored(log)
    assert (store.forgotten([ADA, BEA]), store.position(FORGETS_TOPIC, 0)) == ({ADA: NOW}, 1)
    append_removal(log, Removal(BEA, NOW))
    restore_removals(log, store)
    assert store.forgotten([ADA, BEA]) == {ADA: NOW, BEA: NOW}
    restore_removals(log, store)
    assert store.position(FORGETS_TOPIC, 0) == 2


def test_more_removals_than_one_poll_gives_are_all_read(log: LocalEventLog) -> None:
    users = [UserKey("acme", str(number)) for number in range(501)]
    for user in users:
        append_removal(log, Removal(user, NOW))
    assert len(restored(log).forgotten(users)) == 501


def test_removals_that_were_redacted_are_passed(log: LocalEventLog) -> None:
    for user in (ADA, BEA, ADA):
        append_removal(log, Removal(user, NOW, "asyncio"))
    log.redact(REMOVALS_TOPIC, log_key(ADA))
    store = restored(log)
    assert store.position(REMOVALS_TOPIC, 0) == 3
    assert [record["record"] for record in store.export(ADA)] == ["profile"]
    assert [record["record"] for record in store.export(BEA)] == ["profile", "forgotten_entity"]


def test_every_partition_is_read(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path, partitions=3)
    users = [UserKey("acme", str(number)) for number in range(20)]
    for user in users:
        append_removal(log, Removal(user, NOW))
        append_removal(log, Removal(user, NOW + timedelta(seconds=1), "asyncio"))
    store = restored(log)
    assert len(store.forgotten(users)) == 20
    assert all(len(list(store.export(user))) == 2 for user in users)


@pytest.mark.parametrize(
    "value",
    [b"\xff\xff", b"", RemovalMessage(tenant_id="acme").SerializeToString(), b"\x0a\x01a\x12\x01b\x1a\x02\x08\xff"],
)
@pytest.mark.parametrize("topic", [FORGETS_TOPIC, REMOVALS_TOPIC])
def test_what_is_no_removal_stops_the_role_by_its_place(log: LocalEventLog, topic: str, value: bytes) -> None:
    log.append(topic, [Entry(b"acme/ada", value)], NOW)
    with pytest.raises(ConfigError, match=rf"^{topic}/0/0 in the event log is no removal .*: upgrade attune"):
        restored(log)
