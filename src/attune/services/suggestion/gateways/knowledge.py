"""What the knowledge service knows of a user, and is told."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Self

import grpc
import structlog

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.knowledge_store.retrieval import Mode
from attune.services.runtime.outgoing import onward
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.suppression import Suppression

_MODES = {
    knowledge.RETRIEVAL_MODE_FAMILIAR: Mode.FAMILIAR,
    knowledge.RETRIEVAL_MODE_UNFAMILIAR: Mode.UNFAMILIAR,
    knowledge.RETRIEVAL_MODE_LAPSED: Mode.LAPSED,
    knowledge.RETRIEVAL_MODE_NEIGHBOUR: Mode.NEIGHBOUR,
}
_NO_MEETINGS = ("dwell/document", "suggestion_removed/suggestion")
"""Staying is part of a reading, not another one, and who turns something down did not come across it."""
_log = structlog.get_logger("attune.suggestion")
_PER_MODE = 8
_MET = (knowledge.RETRIEVAL_MODE_FAMILIAR, knowledge.RETRIEVAL_MODE_LAPSED, knowledge.RETRIEVAL_MODE_NEIGHBOUR)
_OWN_PER_MODE = 32
"""Of the user's own entities so many of each mode: they are compared to candidates, not shown."""
_TO_COMPLETE = (knowledge.RETRIEVAL_MODE_LAPSED, knowledge.RETRIEVAL_MODE_FAMILIAR)
_TO_COMPLETE_PER_MODE = 64
"""The strongest ones: with each letter that is typed they are asked for anew."""
_OF_DOCUMENTS = 4096
"""Of so many entities of documents RetrieveEntities can be asked."""


@dataclass(frozen=True, slots=True)
class Acquainted:
    """What of a context a user knows, and what else."""

    entities: Sequence[KnownEntity] = ()
    own: Sequence[KnownEntity] = ()
    """What the user knows besides: it need have nothing to do with the context."""
    is_withheld: bool = False
    """The user does not allow suggestions from it."""

    def beside(self, entities: Iterable[KnownEntity]) -> Self:
        """With these too, behind those that it has: each entity once, and what is of the context is not `own`."""
        known = {each.entity_id: each for each in self.entities}
        for each in entities:
            known.setdefault(each.entity_id, each)
        own = [each for each in self.own if each.entity_id not in known]
        return replace(self, entities=list(known.values()), own=own)


class KnowledgeGateway:
    """Asks knowledge."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = KnowledgeServiceStub(channel)

    async def entities(self, user: str, query: str, context: Context) -> Acquainted:
        """What of the context the user knows, and is new to the user; without any context, the user's own."""
        asked = knowledge.RetrieveEntitiesRequest(
            user_id=user, query=query, context=context, limit=_PER_MODE, purpose=knowledge.PURPOSE_SUGGESTION
        )
        own = knowledge.RetrieveEntitiesRequest(
            user_id=user, modes=_MET, limit=_OWN_PER_MODE, purpose=knowledge.PURPOSE_SUGGESTION
        )
        answers = await asyncio.gather(*(self._stub.RetrieveEntities(each, **onward()) for each in (asked, own)))
        of_context, of_user = (_each_once(answer) for answer in answers)
        return Acquainted((), of_user, any(answer.withheld for answer in answers)).beside(of_context)

    async def entities_of_documents(self, user: str, entity_ids: Sequence[str]) -> Acquainted:
        """What the user knows or nearly knows of what retrieved documents name: most of that is beside the point.

        Whether the user allows search to rank by it is another question: so it is looked up here.
        """
        if not entity_ids:
            return Acquainted()
        request = knowledge.RetrieveEntitiesRequest(
            user_id=user,
            entity_ids=entity_ids[:_OF_DOCUMENTS],
            modes=_MET,
            limit=_PER_MODE,
            purpose=knowledge.PURPOSE_SUGGESTION,
        )
        answer = await self._stub.RetrieveEntities(request, **onward())
        return Acquainted(_each_once(answer), is_withheld=answer.withheld)

    async def own_entities(self, user: str, limit_s: float) -> Acquainted:
        """What the user knows or has left behind, whatever the context, within so many seconds."""
        request = knowledge.RetrieveEntitiesRequest(
            user_id=user,
            modes=_TO_COMPLETE,
            limit=_TO_COMPLETE_PER_MODE,
            purpose=knowledge.PURPOSE_SUGGESTION,
            with_aliases=True,
        )
        answer = await self._stub.RetrieveEntities(request, **onward(limit_s))
        return Acquainted(_each_once(answer), is_withheld=answer.withheld)  # lapsed first: that is what to come back to

    async def suppression(self, user: str, limit_s: float | None = None) -> Suppression:
        """What the user wants to see no more; if that is given, within so many seconds."""
        request = knowledge.GetSuppressedSuggestionsRequest(user_id=user)
        answer = await self._stub.GetSuppressedSuggestions(request, **onward(limit_s))
        until = answer.history_until.ToDatetime(UTC) if answer.HasField("history_until") else None
        return Suppression(frozenset(answer.fingerprints), until)

    async def summary(self, user: str) -> str:
        """The user in a few words, as the store has them; empty where it has none."""
        answer = await self._stub.GetUserProfile(knowledge.GetUserProfileRequest(user_id=user), **onward())
        return answer.summary.text

    async def suppress(self, user: str, fingerprints: Sequence[bytes], *, all_history: bool) -> None:
        """Remember that the user wants to see something no more."""
        request = knowledge.SuppressSuggestionsRequest(user_id=user, fingerprints=fingerprints, all_history=all_history)
        await self._stub.SuppressSuggestions(request, **onward())

    async def link(self, text: str) -> list[str]:
        """The entities that a text names, each once."""
        request = knowledge.LinkEntitiesRequest(inputs=[knowledge.LinkInput(text=text)])
        answer = await self._stub.LinkEntities(request, **onward())
        return list(dict.fromkeys(mention.entity_id for mention in answer.texts[0].mentions))

    async def known_ids(self, user: str, entity_ids: Sequence[str]) -> list[str]:
        """Those that the catalog has, each once."""
        if not entity_ids:
            return []
        request = knowledge.RetrieveEntitiesRequest(user_id=user, entity_ids=entity_ids, limit=1)
        return list((await self._stub.RetrieveEntities(request, **onward())).known_entity_ids)

    async def record(self, event: InteractionEvent) -> bool:
        """Append an event to the log; False where it is refused, as of a user who does not allow learning."""
        requests = [knowledge.RecordInteractionsRequest(event=event)]
        answer = await self._stub.RecordInteractions(iter(requests), **onward())
        if answer.rejected_count:
            refused = answer.rejected[0]
            _log.info("a removed suggestion counts against nothing", field=refused.field, reason=refused.reason)
        return answer.accepted > 0


def _each_once(answer: knowledge.RetrieveEntitiesResponse) -> list[KnownEntity]:
    """In the first of the modes that it came in: familiar before others, unless the request has another order."""
    known: dict[str, KnownEntity] = {}
    for each in answer.entities:
        known.setdefault(each.entity.entity_id, _known(each))
    return list(known.values())


def _known(found: knowledge.RetrievedEntity) -> KnownEntity:
    evidence = found.entity.evidence
    return KnownEntity(
        entity_id=found.entity.entity_id,
        label=found.entity.label,
        mode=_MODES[found.mode],
        score=found.score,
        count=evidence.total - sum(evidence.counts.get(kind, 0) for kind in _NO_MEETINGS),
        last_seen=evidence.last_seen.ToDatetime(UTC) if evidence.HasField("last_seen") else None,
        via_label=found.via_label,
        via_users=found.via_users,
        first_seen=evidence.first_seen.ToDatetime(UTC) if evidence.HasField("first_seen") else None,
        aliases=tuple(found.aliases),
    )
