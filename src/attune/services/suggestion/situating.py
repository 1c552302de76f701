"""What suggestions are drawn from, gathered from the other services; and what of it this user may be shown."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from attune.knowledge.v1.context_pb2 import Context
from attune.services.suggestion.gateways.knowledge import Acquainted, KnowledgeGateway
from attune.services.suggestion.gateways.search import Retrieved, SearchGateway
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.suppression import Suppression

_WITHHELD = (
    "user_id: these suggestions draw on the query, its session and documents alone, as the user does not allow "
    "suggestions from what is known of them; SetConsents grants it, where the user wants that"
)


@dataclass(frozen=True, slots=True)
class Situated:
    """A situation, and what comes with it."""

    situation: Situation
    notices: Sequence[str]
    """What the caller should know although nothing failed."""
    milliseconds: dict[str, float]
    """How long gathering took, by the names of SuggestTimings."""
    suppression: Suppression
    screen: Screen

    def allows(self, text: str) -> bool:
        """Whether this user may be shown a text."""
        return self.suppression.allows(text) and self.screen.allows(text)


class Situating:
    """Asks the other services on behalf of the current call."""

    def __init__(self, knowledge: KnowledgeGateway, search: SearchGateway, screen: Screen) -> None:
        self._knowledge = knowledge
        self._search = search
        self._screen = screen

    async def of(self, user: str, query: str, context: Context, *, for_writer: bool) -> Situated:
        """All that suggestions may be drawn from; for a language model the user's summary too."""
        started = time.monotonic()
        notices: list[str] = []
        retrieved, suppression, known = await asyncio.gather(
            self._search.retrieved(user, query, context),
            self._suppression(user),
            self._known(user, query, context),
        )
        milliseconds = {"candidates_ms": since(started)}
        started = time.monotonic()
        if known.is_withheld:
            notices.append(_WITHHELD)
        if user and not retrieved.notice and (known.is_withheld or suppression.history_until):
            # It ranked by what is withheld, or by what they did until then. Who did not answer is not asked again.
            retrieved = await self._search.retrieved("", query, context)
        if retrieved.notice:
            notices.append(retrieved.notice)
        told = user if _is_personal(user, context) and not known.is_withheld else ""
        of_documents, summary = await asyncio.gather(
            self._of_documents(told, retrieved),
            self._summary(told if for_writer and not suppression.history_until else ""),
        )
        known = known.beside(of_documents)
        milliseconds["retrieve_ms"] = since(started)
        page = context.turns[-1] if context.turns else None
        situation = Situation(
            query=query,
            previous_queries=[turn.query for turn in context.turns if turn.query],
            page_title=page.title if page else "",
            page_text=page.text if page else "",
            entities=self._usable(known.entities, suppression),
            titles=retrieved.titles,
            own=self._usable(known.own, suppression),
            summary=summary,
        )
        return Situated(situation, notices, milliseconds, suppression, self._screen)

    async def _suppression(self, user: str) -> Suppression:
        return await self._knowledge.suppression(user) if user else Suppression()

    async def _known(self, user: str, query: str, context: Context) -> Acquainted:
        return await self._knowledge.entities(user, query, context) if _is_personal(user, context) else Acquainted()

    async def _of_documents(self, user: str, retrieved: Retrieved) -> Sequence[KnownEntity]:
        return (await self._knowledge.entities_of_documents(user, retrieved.entity_ids)).entities if user else ()

    async def _summary(self, user: str) -> str:
        summary = await self._knowledge.summary(user) if user else ""
        return summary if self._screen.allows(summary) else ""

    def _usable(self, entities: Sequence[KnownEntity], suppression: Suppression) -> list[KnownEntity]:
        """Without names that must not be suggested: a language model is not told of them either."""
        allowed = (each for each in suppression.usable(entities) if self._screen.allows(each.label))
        return [each if self._screen.allows(each.via_label) else replace(each, via_label="") for each in allowed]


def since(started: float) -> float:
    """Milliseconds, by time.monotonic()."""
    return (time.monotonic() - started) * 1000


def _is_personal(user: str, context: Context) -> bool:
    return bool(user) and not (context.HasField("personalization") and context.personalization == 0)
