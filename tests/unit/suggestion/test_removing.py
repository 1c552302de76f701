"""Removing a suggestion: what becomes an event, against which entities, and what of it no one ever reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_SUGGESTION_REMOVED, InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.services.runtime.validation import Validation
from attune.services.suggestion.gateways.knowledge import _known
from attune.services.suggestion.removing import Remover
from attune.services.suggestion.suppression import fingerprint

NOW = datetime(2026, 11, 3, tzinfo=UTC)


@dataclass
class Services:
    """Stands where `KnowledgeGateway` does: every text names the same entities."""

    named: Sequence[str] = ()
    catalog: frozenset[str] = frozenset({"asyncio", "queue"})
    allows_learning: bool = True
    fingerprints: list[bytes] = field(default_factory=list)
    histories: int = 0
    events: list[InteractionEvent] = field(default_factory=list)

    async def suppress(self, _user: str, fingerprints: Sequence[bytes], *, all_history: bool) -> None:
        self.fingerprints += fingerprints
        self.histories += all_history

    async def link(self, _text: str) -> list[str]:
        return list(self.named)

    async def known_ids(self, _user: str, entity_ids: Sequence[str]) -> list[str]:
        return [each for each in entity_ids if each in self.catalog]

    async def record(self, event: InteractionEvent) -> bool:
        self.events.append(event)
        return self.allows_learning


def remover(services: Services) -> Remover:
    return Remover(services, lambda: NOW)  # type: ignore[arg-type]


async def test_it_counts_against_what_the_suggestion_came_with_and_not_against_the_query_beside_it() -> None:
    services = Services(named=["queue", "asyncio"])
    assert await remover(services).remove("ada", "queue asyncio", ["asyncio"]) == ["asyncio"]
    (event,) = services.events
    assert (event.user_id, event.type, list(event.entity_ids)) == ("ada", EVENT_TYPE_SUGGESTION_REMOVED, ["asyncio"])
    assert event.occurred_at.ToDatetime(UTC) == NOW
    assert services.fingerprints == [fingerprint("queue asyncio")]


async def test_what_came_with_nothing_counts_against_what_its_text_names() -> None:
    services = Services(named=["queue", "asyncio"])
    assert await remover(services).remove("ada", "queue asyncio", []) == ["queue", "asyncio"]


async def test_what_the_catalog_does_not_have_is_neither_logged_nor_told() -> None:
    services = Services(named=["queue"])
    assert await remover(services).remove("ada", "queue asyncio", ["a secret", "asyncio"]) == ["asyncio"]
    assert await remover(services).remove("ada", "queue", ["a secret"]) == ["queue"]
    assert [list(event.entity_ids) for event in services.events] == [["asyncio"], ["queue"]]


async def test_a_text_that_names_nothing_is_removed_all_the_same() -> None:
    services = Services()
    assert not await remover(services).remove("ada", "what next", [])
    assert services.events == []
    assert services.fingerprints == [fingerprint("what next")]


async def test_who_does_not_allow_learning_has_it_removed_and_nothing_learned() -> None:
    services = Services(allows_learning=False)
    assert not await remover(services).remove("ada", "asyncio", ["asyncio"])
    assert services.fingerprints == [fingerprint("asyncio")]


async def test_however_it_is_written_it_is_the_same_event() -> None:
    services = Services()
    for text in ("Task  Groups", "task groups", "task group"):
        await remover(services).remove("ada", text, ["asyncio"])
    first, second, other = (event.event_id for event in services.events)
    assert first == second != other


def test_a_removal_is_not_told_as_a_meeting() -> None:
    counts = {"click/document": 2, "dwell/document": 1, "suggestion_removed/suggestion": 3}
    entity = knowledge.UserEntity(evidence=knowledge.EntityEvidence(counts=counts, total=6))
    assert _known(knowledge.RetrievedEntity(entity=entity, mode=knowledge.RETRIEVAL_MODE_FAMILIAR)).count == 2


@pytest.mark.parametrize("text", ["a secret", "s" * 8192])
async def test_the_event_is_valid_and_has_no_word_of_the_text(text: str) -> None:
    services = Services(named=[f"entity-{number}" for number in range(500)])
    await remover(services).remove("ada", text, [])
    (event,) = services.events
    assert Validation().violations(event) == []
    assert text.encode() not in event.SerializeToString()
    assert event.user_query == ""


async def test_all_of_the_history_is_against_no_entity() -> None:
    services = Services(named=["asyncio"])
    await remover(services).remove_history("ada")
    assert (services.histories, services.fingerprints, services.events) == (1, [], [])
