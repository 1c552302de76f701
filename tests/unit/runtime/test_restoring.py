"""What a store is told before it serves or applies anything, and the log that it must not be told it by."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.model import LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Removal
from attune.services.runtime.config import ConfigError
from attune.services.runtime.consents import CONSENTS_TOPIC, append_consents
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.objects import OBJECTS_TOPIC, append_objects
from attune.services.runtime.removals import FORGETS_TOPIC, REMOVALS_TOPIC, append_removal
from attune.services.runtime.restoring import restore

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")
NO_LEARNING = Consents((Choice(NOW, Purpose.LEARNING, False),))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("topic", [TOPIC, CONSENTS_TOPIC, FORGETS_TOPIC, REMOVALS_TOPIC, OBJECTS_TOPIC])
def test_a_store_that_is_ahead_of_any_topic_has_another_log(log: LocalEventLog, topic: str) -> None:
    store = MemoryStore()
    store.restore([], LogPosition(topic, 0, 7))
    with pytest.raises(ConfigError, match=rf"{topic}/0 up to 7, but the log ends at 0: put the log back"):
        restore(log, store)


def test_what_users_allow_and_want_gone_and_what_documents_are_about_is_all_taken(log: LocalEventLog) -> None:
    append_consents(log, ADA, NO_LEARNING, NOW)
    append_removal(log, Removal(ADA, NOW))
    append_objects(log, "acme", {"d1": [LinkedEntity("a", 1.0)]}, NOW)
    store = MemoryStore()
    restore(log, store)
    assert store.consents([ADA]) == {ADA: NO_LEARNING}
    assert store.forgotten([ADA]) == {ADA: NOW}
    assert store.objects("acme", ["d1"]) == {"d1": [LinkedEntity("a", 1.0)]}
