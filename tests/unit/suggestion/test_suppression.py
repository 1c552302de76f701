"""Suppression: a removed suggestion is known again by its fingerprint, however it is written."""

from datetime import UTC, datetime, timedelta

import pytest

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.suppression import Suppression, fingerprint

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def seen(label: str, at: datetime | None) -> KnownEntity:
    return KnownEntity(label, label, Mode.FAMILIAR, 1.0, last_seen=at)


def test_case_and_spaces_do_not_matter() -> None:
    suppression = Suppression(frozenset({fingerprint("Task  Groups")}))
    assert not suppression.allows("task groups")
    assert suppression.allows("task group")


def test_the_fingerprint_tells_nothing_of_the_text() -> None:
    assert len(fingerprint("secret")) == 32
    assert b"secret" not in fingerprint("secret")


def test_entities_from_before_the_cut_are_not_used() -> None:
    entities = [seen("old", NOW - timedelta(days=1)), seen("new", NOW + timedelta(days=1)), seen("never", None)]
    assert [each.label for each in Suppression(history_until=NOW).usable(entities)] == ["new"]
    assert Suppression().usable(entities) == entities


def met(first: datetime | None, mode: Mode = Mode.FAMILIAR) -> KnownEntity:
    return KnownEntity(
        "asyncio", "asyncio", mode, 0.9, count=13, first_seen=first, last_seen=NOW + timedelta(days=1), via_label="old"
    )


@pytest.mark.parametrize("mode", [Mode.FAMILIAR, Mode.LAPSED, Mode.NEIGHBOUR])
@pytest.mark.parametrize("first", [NOW - timedelta(days=9), NOW, None])
def test_of_what_was_met_on_both_sides_of_the_cut_nothing_of_before_is_told(first: datetime | None, mode: Mode) -> None:
    assert Suppression(history_until=NOW).usable([met(first, mode)]) == [
        KnownEntity("asyncio", "asyncio", Mode.FAMILIAR, 0.5)
    ]


def test_what_was_met_after_the_cut_alone_is_told_in_full() -> None:
    entities = [met(NOW + timedelta(hours=1))]
    assert Suppression(history_until=NOW).usable(entities) == entities
