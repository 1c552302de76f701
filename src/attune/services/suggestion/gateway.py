"""The services that suggestions are made with, behind one small face."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Self

import grpc
import numpy as np
import structlog

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.knowledge_store.retrieval import Mode
from attune.search.v1 import search_pb2 as search
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.runtime.call import current_call
from attune.services.runtime.outgoing import onward
from attune.services.runtime.vectors import to_matrix
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.ranking.encoder import Embedded
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
_DOCUMENTS = 20
_SEARCH_S = 1.5
_VECTORS_S = 1.0
"""Ranking a list embeds the query and a few candidates. Better an order without meaning than a late one."""
_SHARE = 0.5
"""Who can be done without gets no more than this of what is left of the deadline: the rest is for going on without."""
_WITHOUT_SEARCH = {
    grpc.StatusCode.UNAVAILABLE: "the search service is unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the search service did not answer in time",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "the search service is overloaded",
}


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Documents that answer a query."""

    titles: Sequence[str] = ()
    """The best first."""
    entity_ids: Sequence[str] = ()
    """The entities in them, whether or not the user knows them."""
    notice: str = ""
    """Why there are none, where search did not answer: a sentence for the caller."""


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


class Gateway:
    """Asks knowledge, embedding and search on behalf of the current call."""

    def __init__(
        self, knowledge_channel: grpc.aio.Channel, embedding_channel: grpc.aio.Channel, search_channel: grpc.aio.Channel
    ) -> None:
        self._knowledge = KnowledgeServiceStub(knowledge_channel)
        self._embedding = EmbeddingServiceStub(embedding_channel)
        self._search = SearchServiceStub(search_channel)
        self._channels = (knowledge_channel, embedding_channel, search_channel)

    async def entities(self, user: str, query: str, context: Context) -> Acquainted:
        """What of the context the user knows, and is new to the user; without any context, the user's own."""
        asked = knowledge.RetrieveEntitiesRequest(
            user_id=user, query=query, context=context, limit=_PER_MODE, purpose=knowledge.PURPOSE_SUGGESTION
        )
        own = knowledge.RetrieveEntitiesRequest(
            user_id=user, modes=_MET, limit=_OWN_PER_MODE, purpose=knowledge.PURPOSE_SUGGESTION
        )
        answers = await asyncio.gather(*(self._knowledge.RetrieveEntities(each, **onward()) for each in (asked, own)))
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
        answer = await self._knowledge.RetrieveEntities(request, **onward())
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
        answer = await self._knowledge.RetrieveEntities(request, **onward(limit_s))
        return Acquainted(_each_once(answer), is_withheld=answer.withheld)  # lapsed first: that is what to come back to

    async def suppression(self, user: str, limit_s: float | None = None) -> Suppression:
        """What the user wants to see no more; if that is given, within so many seconds."""
        request = knowledge.GetSuppressedSuggestionsRequest(user_id=user)
        answer = await self._knowledge.GetSuppressedSuggestions(request, **onward(limit_s))
        until = answer.history_until.ToDatetime(UTC) if answer.HasField("history_until") else None
        return Suppression(frozenset(answer.fingerprints), until)

    async def summary(self, user: str) -> str:
        """The user in a few words, as the store has them; empty where it has none."""
        answer = await self._knowledge.GetUserProfile(knowledge.GetUserProfileRequest(user_id=user), **onward())
        return answer.summary.text

    async def suppress(self, user: str, fingerprints: Sequence[bytes], *, all_history: bool) -> None:
        """Remember that the user wants to see something no more."""
        request = knowledge.SuppressSuggestionsRequest(user_id=user, fingerprints=fingerprints, all_history=all_history)
        await self._knowledge.SuppressSuggestions(request, **onward())

    async def link(self, text: str) -> list[str]:
        """The entities that a text names, each once."""
        request = knowledge.LinkEntitiesRequest(inputs=[knowledge.LinkInput(text=text)])
        answer = await self._knowledge.LinkEntities(request, **onward())
        return list(dict.fromkeys(mention.entity_id for mention in answer.texts[0].mentions))

    async def known_ids(self, user: str, entity_ids: Sequence[str]) -> list[str]:
        """Those that the catalog has, each once."""
        if not entity_ids:
            return []
        request = knowledge.RetrieveEntitiesRequest(user_id=user, entity_ids=entity_ids, limit=1)
        return list((await self._knowledge.RetrieveEntities(request, **onward())).known_entity_ids)

    async def record(self, event: InteractionEvent) -> bool:
        """Append an event to the log; False where it is refused, as of a user who does not allow learning."""
        requests = [knowledge.RecordInteractionsRequest(event=event)]
        answer = await self._knowledge.RecordInteractions(iter(requests), **onward())
        if answer.rejected_count:
            refused = answer.rejected[0]
            _log.info("a removed suggestion counts against nothing", field=refused.field, reason=refused.reason)
        return answer.accepted > 0

    async def retrieved(self, user: str, query: str, context: Context) -> Retrieved:
        """What answers the query, ranked for the user; nothing, with a notice, where search is away, too slow or
        overloaded, or refuses it.
        """
        if not query.strip():
            return Retrieved()
        request = search.SearchRequest(query=query, user_id=user, context=context, page_size=_DOCUMENTS)
        try:
            answer = await self._search.Search(request, **onward(_at_most(_SEARCH_S)))
        except grpc.aio.AioRpcError as error:
            if not current_call().remaining_s() or not _is_dispensable(error):
                raise
            _log.warning("suggestions without documents: search did not answer", code=error.code().name)
            return Retrieved(notice=_without_documents(error))
        entities = (each for hit in answer.hits for each in hit.entity_ids)
        return Retrieved([hit.document.title for hit in answer.hits], list(dict.fromkeys(entities)))

    async def titles(self, text: str, limit_s: float) -> Sequence[str]:
        """Titles of documents that answer a text, the best first, for nobody in particular, within so many seconds."""
        request = search.SearchRequest(query=text, page_size=_DOCUMENTS)
        answer = await self._search.Search(request, **onward(limit_s))
        return [hit.document.title for hit in answer.hits if hit.document.title]

    async def vectors(self, texts: Sequence[str]) -> Embedded | None:
        """Unit vectors [n, d] of texts, a row of zeros for a text that has none; None where embedding does not answer
        soon.
        """
        request = embedding.EmbedRequest(
            inputs=[embedding.TextInput(text=text, domain="general", role=embedding.ROLE_QUERY) for text in texts],
            lane=embedding.LANE_INTERACTIVE,
        )
        try:
            answer = await self._embedding.Embed(request, **onward(_at_most(_VECTORS_S)))
        except grpc.aio.AioRpcError as error:
            _log.warning("suggestions without meaning: embedding did not answer", code=error.code().name)
            return None
        matrix = to_matrix(answer.vectors)
        nothing = np.zeros(matrix.shape[1], np.float32)
        rows = np.stack([matrix[item.row] if item.HasField("row") else nothing for item in answer.items])
        return Embedded(rows, answer.model_id)

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()


def _at_most(limit_s: float) -> float:
    """Seconds for a service that can be done without."""
    return min(limit_s, _SHARE * current_call().remaining_s())


def _is_dispensable(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.INVALID_ARGUMENT or error.code() in _WITHOUT_SEARCH


def _without_documents(error: grpc.aio.AioRpcError) -> str:
    because = _WITHOUT_SEARCH.get(error.code(), f"search refused the query ({error.details()})")
    return f"{because}: these suggestions draw on no documents"


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
