"""Consents in the log: they come back as they went in, and none that cannot be read is passed over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.consent_pb2 import ConsentRecord
from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.runtime.config import ConfigError
from attune.services.runtime.consents import CONSENTS_TOPIC, append_consents, restore_consents
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import log_key
from attune.services.runtime.purposes import known_purpose, purpose_number, purpose_of

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA, TWIN = UserKey("acme", "ada"), UserKey("globex", "ada")
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
choices = st.builds(Choice, moments, st.sampled_from(Purpose), st.booleans())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def restored(log: LocalEventLog) -> MemoryStore:
    store = MemoryStore()
    restore_consents(log, store)
    return store


@settings(deadline=None, max_examples=60)
@given(made=st.lists(choices, max_size=9))
def test_all_choices_come_back_to_the_microsecond(made: list[Choice], tmp_path_factory: pytest.TempPathFactory) -> None:
    log = LocalEventLog(tmp_path_factory.mktemp("log"))
    append_consents(log, ADA, Consents.of(made), NOW)
    assert restored(log).consents([ADA, TWIN]) == {ADA: Consents.of(made)}
    (record,) = log.poll(CONSENTS_TOPIC, 0, 0, 9, 1 << 20, 0)
    assert record.key == log_key(ADA)


def test_the_newest_record_of_a_user_tells_all(log: LocalEventLog, tmp_path: Path) -> None:
    first = Consents.of([Choice(NOW, Purpose.LEARNING, False)])
    second = first.merged([Choice(NOW + timedelta(seconds=1), Purpose.RANKING, False)])
    for consents in (first, second):
        append_consents(log, ADA, consents, NOW)
    (newest,) = log.poll(CONSENTS_TOPIC, 0, 1, 9, 1 << 20, 0)
    compacted = LocalEventLog(tmp_path / "compacted")
    compacted.append(CONSENTS_TOPIC, [Entry(newest.key, newest.value, newest.headers)], NOW)
    assert restored(compacted).consents([ADA]) == restored(log).consents([ADA]) == {ADA: second}


def test_records_are_read_once_and_from_where_the_store_says(log: LocalEventLog) -> None:
    append_consents(log, ADA, Consents.of([Choice(NOW, Purpose.RANKING, False)]), NOW)
    store = restored(log)
    assert store.position(CONSENTS_TOPIC, 0) == 1
    append_consents(log, TWIN, Consents.of([Choice(NOW, Purpose.SUMMARY, False)]), NOW)
    restore_consents(log, store)
    assert store.position(CONSENTS_TOPIC, 0) == 2
    assert not store.allows(ADA, Purpose.RANKING)
    assert not store.allows(TWIN, Purpose.SUMMARY)


def test_every_partition_and_more_than_one_poll_are_read(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path, partitions=3)
    users = [UserKey("acme", str(number)) for number in range(1600)]
    for user in users:
        append_consents(log, user, Consents.of([Choice(NOW, Purpose.RANKING, False)]), NOW)
    assert len(restored(log).consents(users)) == 1600


UNKNOWN_PURPOSE = b"\x0a\x01a\x12\x01b\x1a\x02\x08\x63"


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xff",
        b"",
        ConsentRecord(tenant_id="acme").SerializeToString(),
        ConsentRecord(tenant_id="a", user_id="b", choices=[{"granted": True}]).SerializeToString(),
        UNKNOWN_PURPOSE,
    ],
)
def test_what_is_no_consent_stops_the_role_by_its_place(log: LocalEventLog, value: bytes) -> None:
    log.append(CONSENTS_TOPIC, [Entry(b"acme/ada", value)], NOW)
    with pytest.raises(ConfigError, match=rf"^{CONSENTS_TOPIC}/0/0 in the event log is no consent .*: upgrade attune"):
        restored(log)


def test_every_purpose_of_the_library_is_one_of_the_contract() -> None:
    assert [purpose_number(each) for each in Purpose] == pb.Purpose.values()[1:]
    assert [purpose_of(purpose_number(each)) for each in Purpose] == list(Purpose)
    with pytest.raises(ValueError, match="unspecified"):
        purpose_of(pb.PURPOSE_UNSPECIFIED)


def test_an_unknown_purpose_is_told_which_ones_there_are() -> None:
    assert known_purpose("ranking") is Purpose.RANKING
    with pytest.raises(ValueError, match=r"purpose 'fun' is unknown: use one of learning, ranking, "):
        known_purpose("fun")
