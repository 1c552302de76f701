"""Interaction events: the key of their user, and the times that no event may have."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.services.runtime.events import log_key, user_of_key, wrong_time

NOW = datetime(2026, 11, 3, tzinfo=UTC)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)


@given(names, names)
def test_a_key_names_its_user(tenant: str, user: str) -> None:
    assert user_of_key(log_key(UserKey(tenant, user))) == UserKey(tenant, user)


@pytest.mark.parametrize("key", [b"", b"/", b"acme", b"acme/", b"/ada", b"\xff/ada"])
def test_a_key_of_somebody_else_names_nobody(key: bytes) -> None:
    assert user_of_key(key) is None


def at(moment: datetime, nanos: int = 0) -> InteractionEvent:
    event = InteractionEvent()
    event.occurred_at.FromDatetime(moment)
    event.occurred_at.nanos += nanos
    return event


@pytest.mark.parametrize(("ahead", "is_wrong"), [(-1e9, False), (0, False), (300, False), (301, True), (1e9, True)])
def test_an_event_may_be_five_minutes_ahead_of_the_log(ahead: float, is_wrong: bool) -> None:
    found = wrong_time(at(NOW + timedelta(seconds=ahead)), NOW)
    assert (found is not None) == is_wrong
    assert found is None or found.field == "occurred_at"


@given(st.integers(0, 999_999))
def test_the_recorder_and_the_log_judge_alike_though_the_log_keeps_milliseconds(microsecond: int) -> None:
    now = NOW.replace(microsecond=microsecond)
    kept = NOW.replace(microsecond=microsecond // 1000 * 1000)
    for ahead in (299, 300, 301):
        event = at(NOW + timedelta(seconds=ahead), nanos=999_999_999)
        assert wrong_time(event, now) == wrong_time(event, kept)


@pytest.mark.parametrize("nanos", [-1, 10**9])
def test_impossible_nanos_are_wrong(nanos: int) -> None:
    found = wrong_time(at(NOW, nanos), NOW)
    assert found is not None
    assert "nanos" in found.description
