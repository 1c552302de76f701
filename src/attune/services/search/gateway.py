"""The services that search is made with, behind one small face."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.services.runtime.call import current_call
from attune.services.runtime.config import ConfigError
from attune.services.runtime.errors import invalid
from attune.services.runtime.outgoing import onward
from attune.services.runtime.vectors import to_matrix
from attune.services.search.index.passages import Span
from attune.services.search.index.port import Document
from attune.services.search.person import Acquaintance, Person, Remembered
from attune.services.search.spaces import GENERAL

_MET = (
    knowledge.RETRIEVAL_MODE_FAMILIAR,
    knowledge.RETRIEVAL_MODE_LAPSED,
    knowledge.RETRIEVAL_MODE_NEIGHBOUR,
)
_READ_CHARACTERS = 16_384
"""More of a text than any encoder here reads."""
_MOST_SPACES_KEPT = 8


Augmentation: TypeAlias = embedding.Augmentation.ValueType


@dataclass(frozen=True, slots=True)
class Expert:
    """A domain's expert: the key of its space, empty where it is the general one, and what it has for queries."""

    key: str = ""
    augmentations: frozenset[Augmentation] = frozenset()

    def augmentation(self, wanted: Augmentation) -> Augmentation:
        """What to ask of it where `wanted` is; nothing, if it does not have that."""
        always = (embedding.AUGMENTATION_UNSPECIFIED, embedding.AUGMENTATION_NONE)
        return wanted if wanted in always or wanted in self.augmentations else embedding.AUGMENTATION_NONE


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """The unit vector [d] of a text, of how many tokens it is made, and whether the text had more."""

    vector: NDArray[np.float32]
    tokens: int = 0
    is_cut: bool = False


_KNOWLEDGE_S = 2.0
"""Search waits no longer for what is known of a user, and no longer than half of what is left of its deadline."""
_NO_ANSWER = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.CANCELLED,  # by a server that ends
}


def is_without_answer(error: grpc.aio.AioRpcError) -> bool:
    """Whether the service failed, as opposed to refusing what it was asked."""
    return error.code() in _NO_ANSWER


class Gateway:
    """Asks embedding and knowledge on behalf of the current call."""

    def __init__(self, embedding_channel: grpc.aio.Channel, knowledge_channel: grpc.aio.Channel) -> None:
        self._embedding = EmbeddingServiceStub(embedding_channel)
        self._knowledge = KnowledgeServiceStub(knowledge_channel)
        self._channels = (embedding_channel, knowledge_channel)
        self._experts: dict[str, Expert] = {}
        self._listed_at = -math.inf

    async def experts(self, max_age_s: float = 0.0) -> Mapping[str, Expert]:
        """The domains that the embedding service knows, and their experts; as they were at most so many seconds ago."""
        if time.monotonic() - self._listed_at > max_age_s:
            asked_at = time.monotonic()
            answer = await self._embedding.ListDomains(embedding.ListDomainsRequest(page_size=1000), **onward())
            self._experts, self._listed_at = {each.domain: _expert(each) for each in answer.domains}, asked_at
        return self._experts

    async def route(self, text: str) -> dict[str, float]:
        """How likely each domain is.

        Raises:
            ServiceError: INVALID_ARGUMENT, where the text cannot be embedded.
        """
        answer = await self._embedding.RouteDomains(embedding.RouteDomainsRequest(texts=[text]), **onward())
        return {each.domain: each.probability for each in answer.routes[0].domains}

    async def query_vectors(
        self, query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[NDArray[np.float32], Augmentation]]:
        """For each of the domains `asked` the unit vector [d] of a query by its expert, and how that was augmented.

        Raises:
            ServiceError: INVALID_ARGUMENT, where the query cannot be embedded.
        """
        request = embedding.EmbedRequest(
            inputs=[
                embedding.TextInput(text=query, domain=domain, role=embedding.ROLE_QUERY, augmentation=augmentation)
                for domain, augmentation in asked.items()
            ],
            lane=embedding.LANE_INTERACTIVE,
        )
        answer = await self._embedding.Embed(request, **onward())
        refused = next((each.error.message for each in answer.items if each.HasField("error")), None)
        if refused is not None:
            raise invalid("query", refused)
        matrix = to_matrix(answer.vectors)
        return [(matrix[item.row], item.augmentation) for item in answer.items]

    async def said_vectors(self, texts: Sequence[str], domain: str) -> list[NDArray[np.float32] | None]:
        """The unit vectors [d] of what was said, by the expert of `domain`; None for one that cannot be embedded."""
        request = embedding.EmbedRequest(
            inputs=[embedding.TextInput(text=text, domain=domain, role=embedding.ROLE_PASSAGE) for text in texts],
            lane=embedding.LANE_INTERACTIVE,
        )
        answer = await self._embedding.Embed(request, **onward())
        matrix = to_matrix(answer.vectors)
        return [None if item.HasField("error") else matrix[item.row] for item in answer.items]

    async def passage_vectors(self, documents: Sequence[Document], experts: Collection[str]) -> list[Read | str]:
        """For each document its vector, of as much as the model reads, or why it has none.

        A document of a domain without an expert gets the general one's: a domain is a label to narrow searches by, too.
        """
        return await self._read([_passage(each, each.text, experts) for each in documents])

    async def span_vectors(self, spans: Sequence[tuple[Document, Span]], experts: Collection[str]) -> list[Read | str]:
        """The same for passages of documents, each with its document's title before it."""
        return await self._read([_passage(each, each.text[slice(*span)], experts) for each, span in spans])

    async def _read(self, inputs: Sequence[embedding.TextInput]) -> list[Read | str]:
        request = embedding.EmbedRequest(inputs=inputs, lane=embedding.LANE_BULK)
        answer = await self._embedding.Embed(request, **onward())
        matrix = to_matrix(answer.vectors)
        return [
            item.error.message if item.HasField("error") else Read(matrix[item.row], item.token_count, item.truncated)
            for item in answer.items
        ]

    async def pair_scores(self, query: str, texts: Sequence[str]) -> list[float | None]:
        """How well each text answers the query, by the cross-encoder, within half of what is left of the deadline; None
        for one that cannot be scored.
        """
        request = embedding.ScorePairsRequest(query=query, texts=texts)
        answer = await self._embedding.ScorePairs(request, **onward(current_call().remaining_s() / 2))
        return [each.score if each.HasField("score") else None for each in answer.scores]

    async def link(self, documents: Sequence[Document]) -> list[tuple[str, ...]]:
        """The entity ids of each document, remembered for the events that will name it."""
        request = knowledge.LinkObjectsRequest(
            objects=[knowledge.ObjectInput(object_id=each.id, title=each.title, text=each.text) for each in documents]
        )
        answer = await self._knowledge.LinkObjects(request, **onward())
        return [tuple(one.entity_id for one in each.entities) for each in answer.objects]

    async def unlink(self, document_ids: Sequence[str]) -> bool:
        """Have the entities of documents dropped; whether the knowledge service was there to do it."""
        try:
            request = knowledge.UnlinkObjectsRequest(object_ids=document_ids)
            await self._knowledge.UnlinkObjects(request, **onward(current_call().remaining_s() / 2))
        except grpc.aio.AioRpcError as error:
            if not is_without_answer(error):
                raise
            return False
        return True

    async def person(self, user: str, query: str, context: Context, entity_ids: Sequence[str]) -> Person:
        """The user's acquaintance with the candidates' entities, and history, if the user allows ranking by them."""
        request = knowledge.RetrieveEntitiesRequest(
            user_id=user,
            query=query,
            context=context,
            entity_ids=entity_ids,
            modes=_MET,
            limit=1000,
            purpose=knowledge.PURPOSE_RANKING,
            with_history=True,
            context_only=True,
        )
        limit_s = min(_KNOWLEDGE_S, current_call().remaining_s() / 2)
        answer = await self._knowledge.RetrieveEntities(request, **onward(limit_s))
        met: dict[str, Acquaintance] = {}
        for each in answer.entities:
            known = _acquaintance(each)
            if known.entity_id not in met or known.strength > met[known.entity_id].strength:
                met[known.entity_id] = known
        named = frozenset(answer.query_entity_ids)
        return Person(met, named, answer.query_coverage, answer.withheld, _history(answer.history))

    async def vectors_by_space(self, text: str) -> dict[str, NDArray[np.float32]]:
        """The unit vector [d] of a query by each expert, at most the general one and 7 more, by their spaces' keys.

        Raises:
            ServiceError: INVALID_ARGUMENT, where the text cannot be embedded.
        """
        experts = await self.experts()
        kept = [GENERAL, *(domain for domain, expert in experts.items() if expert.key)][:_MOST_SPACES_KEPT]
        found = await self.query_vectors(text, dict.fromkeys(kept, embedding.AUGMENTATION_UNSPECIFIED))
        keys = ["" if domain == GENERAL else experts[domain].key for domain in kept]
        return {key: vector for key, (vector, _) in zip(keys, found, strict=True)}

    async def linked_texts(self, texts: Sequence[str]) -> list[list[str]]:
        """The entity ids of each text, each once. Nothing is remembered."""
        request = knowledge.LinkEntitiesRequest(inputs=[knowledge.LinkInput(text=text) for text in texts])
        answer = await self._knowledge.LinkEntities(request, **onward())
        return [list(dict.fromkeys(mention.entity_id for mention in each.mentions)) for each in answer.texts]

    async def known_ids(self, user: str, entity_ids: Sequence[str]) -> list[str]:
        """Those that the catalog has, each once, as it calls them now."""
        request = knowledge.RetrieveEntitiesRequest(user_id=user, entity_ids=entity_ids, limit=1)
        return list((await self._knowledge.RetrieveEntities(request, **onward())).known_entity_ids)

    async def record(self, *events: InteractionEvent) -> None:
        """Append events to the log.

        Raises:
            ServiceError: INVALID_ARGUMENT, where the log refuses one.
        """
        requests = [knowledge.RecordInteractionsRequest(event=event) for event in events]
        answer = await self._knowledge.RecordInteractions(iter(requests), **onward())
        if answer.rejected_count:
            raise invalid(answer.rejected[0].field, answer.rejected[0].reason)

    async def model(self, metadata: tuple[tuple[str, str], ...] = ()) -> embedding.GetModelInfoResponse:
        """The model behind the vectors: an index is bound to it. Asked on no caller's behalf, with our own `metadata`.

        Raises:
            ConfigError: the embedding service does not answer, or not to this role.
        """
        request = embedding.GetModelInfoRequest()
        try:
            return await self._embedding.GetModelInfo(request, timeout=60, wait_for_ready=True, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise ConfigError(
                f"the embedding service does not tell its model ({error.code().name}: {error.details()}): "
                "check ATTUNE_EMBEDDING_ADDRESS, that certificates hold and are believed, where there are any "
                "(ATTUNE_TLS_CERT_FILE, ATTUNE_TLS_CA_FILE), and that all roles have the same ATTUNE_SERVICE_TOKEN"
            ) from error

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()


def _expert(domain: embedding.Domain) -> Expert:
    key = "" if domain.expert == GENERAL else f"{domain.domain}@{domain.version}"
    return Expert(key, frozenset(each.augmentation for each in domain.augmenters))


def _passage(document: Document, words: str, experts: Collection[str]) -> embedding.TextInput:
    text = f"{document.title}\n{words}".strip()[:_READ_CHARACTERS]
    domain = document.domain if document.domain in experts else GENERAL
    return embedding.TextInput(text=text, domain=domain, role=embedding.ROLE_PASSAGE)


def _acquaintance(found: knowledge.RetrievedEntity) -> Acquaintance:
    evidence = found.entity.evidence
    return Acquaintance(
        entity_id=found.entity.entity_id,
        label=found.entity.label,
        strength=_strength(found),
        reads=_readings(evidence.counts),
        searches=_count(evidence.counts, "/query"),
        last_seen=evidence.last_seen.ToDatetime(UTC) if evidence.HasField("last_seen") else None,
        via_label=found.via_label,
        via_users=found.via_users,
    )


def _history(found: knowledge.UserHistory) -> tuple[Remembered, ...]:
    read = (Remembered(each.read_at.ToDatetime(UTC), document_id=each.document_id) for each in found.documents)
    said = (Remembered(each.said_at.ToDatetime(UTC), statement=each.text) for each in found.statements)
    return (*read, *said)


def _strength(found: knowledge.RetrievedEntity) -> float:
    """A lapsed entity is scored by what it was; a ranking goes by what it still is."""
    if found.mode != knowledge.RETRIEVAL_MODE_LAPSED:
        return found.score
    weight = found.entity.evidence.weight
    return weight / (1 + weight)


def _readings(counts: Mapping[str, int]) -> int:
    """Opening a document and staying on it are two events of one reading."""
    stayed = counts.get("dwell/document", 0)
    return max(_count(counts, "/document") - stayed, stayed)


def _count(counts: Mapping[str, int], source: str) -> int:
    return sum(count for key, count in counts.items() if key.endswith(source))
