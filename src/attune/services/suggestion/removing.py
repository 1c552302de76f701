"""RemoveSuggestion's work: a suggestion is shown no more, and counts against what it was about.

What it was about goes to the event log, as every interaction does: ids of entities, and of the text a fingerprint.
"""

from collections.abc import Sequence

from attune.events.v1.events_pb2 import EVENT_TYPE_SUGGESTION_REMOVED, InteractionEvent
from attune.services.runtime.clock import Clock
from attune.services.suggestion.gateways.knowledge import KnowledgeGateway
from attune.services.suggestion.suppression import fingerprint

_MOST_ENTITIES = 64
"""More than an event takes, a long text may name."""


class Remover:
    """Removes suggestions. Each call may be repeated."""

    def __init__(self, knowledge: KnowledgeGateway, clock: Clock) -> None:
        self._knowledge = knowledge
        self._clock = clock

    async def remove(self, user: str, text: str, entity_ids: Sequence[str]) -> Sequence[str]:
        """The entities that it was recorded against: those that it came with, else those that its text names.

        What it came with says what it brought in; the text may name the user's own query as well. Callers choose the
        ids, and one that the catalog does not have may be anything, even a text: none of these gets into the log.
        """
        await self._knowledge.suppress(user, [fingerprint(text)], all_history=False)
        about = await self._knowledge.known_ids(user, entity_ids) or (await self._knowledge.link(text))[:_MOST_ENTITIES]
        if not about or not await self._knowledge.record(self._event(user, text, about)):
            return ()
        return about

    async def remove_history(self, user: str) -> None:
        """No suggestion is drawn from what the user did until now. That says nothing about any entity."""
        await self._knowledge.suppress(user, [], all_history=True)

    def _event(self, user: str, text: str, about: Sequence[str]) -> InteractionEvent:
        """The text makes the event's id, so that a suggestion counts once however often it is removed."""
        event = InteractionEvent(
            event_id=f"suggestion_removed/{fingerprint(text).hex()}",
            user_id=user,
            type=EVENT_TYPE_SUGGESTION_REMOVED,
            entity_ids=about,
        )
        event.occurred_at.FromDatetime(self._clock())
        return event
