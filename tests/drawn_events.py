"""What users do, drawn at random: for the simulation and the fault campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from attune.events.v1 import events_pb2 as events
from attune.events.v1.events_pb2 import InteractionEvent


@dataclass(frozen=True, slots=True)
class Deeds:
    """Of users who know these entities and documents, by id. Entities are named by their ids in queries."""

    entities: Sequence[str]
    documents: Sequence[str]

    def draw(self, event: InteractionEvent, random: Random) -> None:
        """Give an event a type, and what one of that type has."""
        ways = (self._query, self._click, self._dwell, self._feedback, self._removed, self._impression)
        random.choice(ways)(event, random)

    def _query(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_QUERY
        event.user_query = f"{random.choice(self.entities)} and {random.choice(self.entities)}"

    def _click(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_CLICK
        event.object_id = random.choice(self.documents)
        event.position = random.randint(1, 9)

    def _dwell(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_DWELL
        event.object_id = random.choice(self.documents)
        event.dwell_ms = random.randint(0, 90_000)

    def _feedback(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_FEEDBACK
        event.object_id = random.choice(self.documents)
        event.attributes["verdict"] = random.choice(("relevant", "irrelevant"))

    def _removed(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_SUGGESTION_REMOVED
        event.entity_ids.append(random.choice(self.entities))

    def _impression(self, event: InteractionEvent, random: Random) -> None:
        event.type = events.EVENT_TYPE_IMPRESSION
        event.object_id = random.choice(self.documents)
