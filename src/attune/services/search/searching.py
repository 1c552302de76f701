"""Search's work: dense and BM25 candidates, fused, then ranked for the user."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
import structlog

from attune.embedding.v1.embedding_pb2 import AUGMENTATION_UNSPECIFIED
from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.search import quotes
from attune.services.search.feedback.mending import embedded_query
from attune.services.search.feedback.parts import Replacement
from attune.services.search.fusion import Fused, reciprocal_rank_fusion
from attune.services.search.gateway import Augmentation, Expert, Gateway, is_without_answer
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.narrowing import PUBLIC, Within
from attune.services.search.index.port import Candidate, Document, FloatVector, Index
from attune.services.search.person import NOBODY, Person
from attune.services.search.personal import Ranked, Weight, personal_ranking, weigh
from attune.services.search.spaces import EVERYTHING, Space, merge, with_hits, worth_searching

_log = structlog.get_logger("attune.search")
CANDIDATES = 100
"""How many documents each ranking contributes, and so how far one can page."""
_TELLING_HITS = 20
"""Of BM25: whose domains say where the answer is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is searched for, by whom, in what context."""

    query: str
    user: str
    context: Context
    domains: tuple[str, ...]
    page_size: int
    augmentation: Augmentation = AUGMENTATION_UNSPECIFIED
    within: Within = PUBLIC
    replacements: tuple[Replacement, ...] = ()
    """What the user meant instead of parts that were taken out of the query, which may be empty then."""
    not_about: frozenset[str] = frozenset()
    """Entities that the user does not mean."""

    @property
    def personalization(self) -> float:
        """How much of it is wanted; 1 is the default, 0 none."""
        if not self.user:
            return 0.0
        return self.context.personalization if self.context.HasField("personalization") else 1.0


@dataclass(slots=True)
class Found:
    """The whole ranking, and how it came about."""

    ranked: list[Ranked]
    documents: dict[str, Document]
    weight: Weight
    spaces: Sequence[Space] = ()
    """Where the query was embedded, the likeliest first."""
    augmentations: Sequence[Augmentation] = ()
    """How it was augmented in each of them."""
    empty_domains: Sequence[str] = ()
    """The domains asked for that no document has, in the order asked."""
    milliseconds: dict[str, float] = field(default_factory=dict)


class Searcher:
    """Ranks documents for a query and a user."""

    def __init__(self, index: Index, gateway: Gateway) -> None:
        self._index = index
        self._gateway = gateway

    async def search(self, wish: Wish) -> Found:
        """All candidates of both rankings, the best for the user first."""
        times: dict[str, float] = {}
        tenant = current_call().tenant
        started = time.monotonic()
        by_words = asyncio.create_task(
            asyncio.to_thread(self._index.bm25, tenant, wish.query, CANDIDATES, wish.domains, wish.within)
        )
        try:
            experts = await self._gateway.experts()
            spaces = await self._spaces(tenant, wish, experts, by_words)
            asked = {
                space.domain: experts.get(space.domain, Expert()).augmentation(wish.augmentation) for space in spaces
            }
            embedded = await embedded_query(self._gateway, wish.query, wish.replacements, asked, experts)
            vectors = [vector for vector, _ in embedded]
            augmentations = [augmentation for _, augmentation in embedded]
            times["embed_ms"] = _since(started)
            started = time.monotonic()
            dense, bm25 = await asyncio.gather(self._dense(tenant, wish, spaces, vectors), by_words)
        except BaseException:
            by_words.cancel()  # else nobody would hear of its failure
            raise
        fused, documents = await self._documents(tenant, wish, dense, bm25)
        empty_domains = await self._empty_domains(tenant, wish, documents)
        times["retrieve_ms"] = _since(started)
        started = time.monotonic()
        entities = [documents[each.id].entity_ids for each in fused]
        person, weight = await self._weighed(wish, fused, entities)
        ranked = personal_ranking(fused, entities, person, weight.value, wish.page_size)
        times["personalize_ms"] = _since(started)
        return Found(ranked, documents, weight, spaces, augmentations, empty_domains, times)

    async def _spaces(
        self, tenant: str, wish: Wish, known: Mapping[str, Expert], by_words: Awaitable[Sequence[Candidate]]
    ) -> list[Space]:
        """Those worth searching; the general one alone, at no cost, where no expert has embedded a document."""
        experts = {domain: expert.key for domain, expert in known.items() if expert.key}
        if not experts:
            return [EVERYTHING]
        keys = list(experts.values())
        inhabited = await asyncio.to_thread(self._index.inhabited_spaces, tenant, keys, wish.within.principals)
        found = {domain: key for domain, key in experts.items() if key in inhabited}
        if not found or not wish.query:
            return worth_searching({}, {})
        probabilities, hits = await asyncio.gather(self._gateway.route(wish.query), by_words)
        return worth_searching(
            found, with_hits(probabilities, await self._domains_of(tenant, wish, hits[:_TELLING_HITS]), found)
        )

    async def _domains_of(self, tenant: str, wish: Wish, hits: Sequence[Candidate]) -> dict[str, float]:
        """The sums of the hits' scores by their documents' domains."""
        ids = [hit.id for hit in hits]
        documents = await asyncio.to_thread(self._index.documents, tenant, ids, wish.within.principals)
        scores: dict[str, float] = {}
        for hit in hits:
            if hit.id in documents:
                domain = documents[hit.id].domain
                scores[domain] = scores.get(domain, 0.0) + hit.score
        return scores

    async def _dense(
        self, tenant: str, wish: Wish, spaces: Sequence[Space], vectors: Sequence[FloatVector]
    ) -> list[Candidate]:
        known = [(space, vector) for space, vector in zip(spaces, vectors, strict=True) if vector.any()]
        found = await asyncio.gather(
            *(
                asyncio.to_thread(self._index.dense, tenant, vector, CANDIDATES, wish.domains, space.key, wish.within)
                for space, vector in known
            )
        )
        return merge(list(zip((space for space, _ in known), found, strict=True)), CANDIDATES)

    async def _documents(
        self, tenant: str, wish: Wish, dense: Sequence[Candidate], bm25: Sequence[Candidate]
    ) -> tuple[list[Fused], dict[str, Document]]:
        quote = await asyncio.to_thread(self._quoted, tenant, wish, bm25)
        fused = reciprocal_rank_fusion({"dense": dense, "bm25": bm25, quotes.RANKING: quote})
        ids = [each.id for each in fused]
        documents = await asyncio.to_thread(self._index.documents, tenant, ids, wish.within.principals)
        # A document deleted since it was found is no answer any more.
        return [each for each in fused if each.id in documents], documents

    def _quoted(self, tenant: str, wish: Wish, bm25: Sequence[Candidate]) -> list[Candidate]:
        if not bm25:
            return []
        first = self._index.get(tenant, bm25[0].id, wish.within.principals)
        return quotes.quoted(terms_of(wish.query), terms_of(f"{first.title}\n{first.text}"), bm25) if first else []

    async def _empty_domains(self, tenant: str, wish: Wish, documents: Mapping[str, Document]) -> Sequence[str]:
        """A domain that a candidate has is not empty; so the index is asked of few domains, mostly of none."""
        found = {each.domain for each in documents.values()}
        doubtful = [domain for domain in dict.fromkeys(wish.domains) if domain not in found]
        if not doubtful:
            return ()
        inhabited = await asyncio.to_thread(self._index.inhabited, tenant, doubtful, wish.within.principals)
        return [domain for domain in doubtful if domain not in inhabited]

    async def _weighed(
        self, wish: Wish, fused: Sequence[Fused], entities: Sequence[Sequence[str]]
    ) -> tuple[Person, Weight]:
        """What is known of the user, and how much it counts; without the knowledge service, nothing, and no error."""
        try:
            person = await self._person(wish, entities)
        except grpc.aio.AioRpcError as error:
            if not is_without_answer(error):
                raise
            _log.warning("plain ranking: the knowledge service is unavailable", code=error.code().name)
            return NOBODY, Weight(0.0, "the knowledge service is unavailable: this is the plain ranking")
        return person, weigh(person, fused, entities, wish.personalization)

    async def _person(self, wish: Wish, entities: Sequence[Sequence[str]]) -> Person:
        if wish.personalization <= 0:
            return NOBODY
        wanted = list(dict.fromkeys(each for ids in entities for each in ids))
        if not wanted:
            return NOBODY
        return (await self._gateway.person(wish.user, wish.query, wish.context, wanted)).without(wish.not_about)


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
