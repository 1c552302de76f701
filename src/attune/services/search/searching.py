"""Search's work: dense and BM25 candidates, fused, then ranked for the user."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import grpc
import structlog

from attune.embedding.v1.embedding_pb2 import AUGMENTATION_UNSPECIFIED
from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock, system_clock
from attune.services.search import quotes
from attune.services.search.boosts.boosting import boosted
from attune.services.search.boosts.declared import Boost
from attune.services.search.cross_encoding import CrossEncoding, cross_encoded
from attune.services.search.feedback.mending import embedded_query
from attune.services.search.feedback.parts import Replacement
from attune.services.search.fusion import Fused, reciprocal_rank_fusion
from attune.services.search.gateway import Augmentation, Expert, Gateway, is_without_answer
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.narrowing import PUBLIC, Within
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Candidate, Document, FloatVector, Index, Scope
from attune.services.search.leaning.contexts import Contexts, Question, weigh_contexts
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.interests import known_interests
from attune.services.search.leaning.said import SaidVectors, said
from attune.services.search.leaning.session import found_beside, near
from attune.services.search.person import NOBODY, Person
from attune.services.search.personal import NO_CONTEXTS, Ranked, Weight, personal_ranking, refusal, weigh
from attune.services.search.spaces import EVERYTHING, Space, merge, with_hits, worth_searching

_log = structlog.get_logger("attune.search")
NO_CROSS_ENCODER = CrossEncoding()
CANDIDATES = 100
"""How many documents each ranking contributes, and so how far one can page."""
_STATEMENTS_KEPT = 20_000
"""Vectors of users' statements, of at most 1.5 kB each with the model that is packaged."""
_EXPERTS_AGE_S = 1.0
"""Experts change once in weeks, and to ask for them is a call. Whoever indexes documents asks each time,
and the searches of that process know then, too.
"""
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
    rankings: tuple[str, ...] = ()
    """By which rankings, if the caller names any."""
    boosts: tuple[Boost, ...] = ()
    """Those that count."""
    replacements: tuple[Replacement, ...] = ()
    """What the user meant instead of parts that were taken out of the query, which may be empty then."""
    not_about: frozenset[str] = frozenset()
    """Entities that the user does not mean."""
    cross_encoded: int | None = None
    """How many documents the cross-encoder is to order; None: as configured."""

    @property
    def personalization(self) -> float:
        """How much of what is known of the user is wanted; 1 is the default, 0 none."""
        return self.session if self.user else 0.0

    @property
    def session(self) -> float:
        """How much of what the caller says of the session is wanted: of a user that is not named, too."""
        return self.context.personalization if self.context.HasField("personalization") else 1.0


@dataclass(slots=True)
class Found:
    """The whole ranking, and how it came about."""

    ranked: list[Ranked]
    documents: dict[str, Document]
    """Without their texts."""
    weight: Weight
    spaces: Sequence[Space] = ()
    """Where the query was embedded, the likeliest first."""
    augmentations: Sequence[Augmentation] = ()
    """How it was augmented in each of them."""
    empty_domains: Sequence[str] = ()
    """The domains asked for that no document has, in the order asked."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    notices: Sequence[str] = ()
    """What the caller should know of it, a sentence each."""
    vectors: Mapping[str, FloatVector] = field(default_factory=dict)
    """Of the query, by the key of the space that it was embedded for."""
    contexts: Contexts = NO_CONTEXTS
    """How much what was said before counts, and what the user has read and said."""


class Searcher:
    """Ranks documents for a query and a user."""

    def __init__(
        self,
        index: Index,
        gateway: Gateway,
        clock: Clock = system_clock,
        gates: Gates | None = None,
        cross_encoding: CrossEncoding = NO_CROSS_ENCODER,
    ) -> None:
        self._index = index
        self._gateway = gateway
        self._clock = clock
        self._gates = gates or Gates.packaged()
        self._said = SaidVectors(gateway.said_vectors)
        self._statements = SaidVectors(gateway.said_vectors, kept=_STATEMENTS_KEPT)
        self._cross_encoding = cross_encoding

    async def search(self, wish: Wish) -> Found:
        """All candidates of both rankings, the best for the user first."""
        times: dict[str, float] = {}
        tenant = current_call().tenant
        started = time.monotonic()
        by_words = asyncio.create_task(
            asyncio.to_thread(self._index.bm25, tenant, wish.query, CANDIDATES, wish.domains, wish.within)
        )
        try:
            experts = await self._gateway.experts(_EXPERTS_AGE_S)
            spaces = await self._spaces(tenant, wish, experts, by_words)
            wanted = {
                space.domain: experts.get(space.domain, Expert()).augmentation(wish.augmentation) for space in spaces
            }
            embedded, session = await asyncio.gather(
                embedded_query(self._gateway, wish.query, wish.replacements, wanted, experts),
                self._session(tenant, wish, spaces[0]),
            )
            vectors = [vector for vector, _ in embedded]
            augmentations = [augmentation for _, augmentation in embedded]
            by_space = {space.key or "": vector for space, vector in zip(spaces, vectors, strict=True) if vector.any()}
            times["embed_ms"] = _since(started)
            started = time.monotonic()
            dense, bm25, near_by = await asyncio.gather(
                self._dense(tenant, wish, spaces, vectors),
                by_words,
                near(self._index, self._scope(tenant, wish, spaces[0]), vectors[0], session, CANDIDATES),
            )
        except BaseException:
            by_words.cancel()  # else nobody would hear of its failure
            raise
        # In one thread: each change of threads costs more than the fusion.
        fused, documents = await asyncio.to_thread(self._documents, tenant, wish, dense, bm25, near_by)
        empty_domains = await self._empty_domains(tenant, wish, documents)
        times["retrieve_ms"] = _since(started)
        started = time.monotonic()
        fused, notices = await self._cross_encoded(wish, fused, documents, by_space)
        times["cross_encode_ms"] = _since(started)
        started = time.monotonic()
        fused, more = boosted(wish.boosts, fused, documents, self._clock())
        notices = [*notices, *more]
        person, problem = await self._known(wish, [documents[each.id].entity_ids for each in fused])
        text = Asked(wish.query, len(terms_of(wish.query)), bm25[0].score if bm25 else 0.0)
        question = Question(text, vectors[0], spaces[0], session)
        contexts = await self._contexts(tenant, wish, question, fused, person)
        fused = [each for each in fused if each.ranks or contexts.move(each.id)]
        entities = [documents[each.id].entity_ids for each in fused]
        weight = Weight(0.0, problem) if problem else weigh(person, fused, entities, wish.personalization)
        contexts = contexts.without_history(problem) if problem else contexts
        ranked = personal_ranking(fused, entities, person, weight.value, wish.page_size, contexts)
        times["personalize_ms"] = _since(started)
        return Found(
            ranked, documents, weight, spaces, augmentations, empty_domains, times, notices, by_space, contexts
        )

    async def documents(self, wish: Wish, ids: Sequence[str]) -> dict[str, Document]:
        """Those of a ranking's documents that are still there and may be seen, as they are now."""
        return await asyncio.to_thread(self._index.documents, current_call().tenant, ids, wish.within.principals)

    async def passages(self, vectors: Mapping[str, FloatVector], documents: Iterable[Document]) -> dict[str, Passage]:
        """By document id, the passage nearest to the query, whose `vectors` are by space; of those documents that have
        passages in a space that was searched.
        """
        spans = {each.id: each.spans for each in documents if each.spans}
        if not spans:
            return {}
        kept = await asyncio.to_thread(self._index.passages, current_call().tenant, list(spans))
        # A document that was replaced in between has other passages.
        same = {id_: each for id_, each in kept.items() if tuple(each.spans) == spans[id_]}
        return {id_: each.best(vectors[each.space]) for id_, each in same.items() if each.space in vectors}

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
            found, with_hits(probabilities, await self._domains_of(wish, hits[:_TELLING_HITS]), found)
        )

    async def _domains_of(self, wish: Wish, hits: Sequence[Candidate]) -> dict[str, float]:
        """The sums of the hits' scores by their documents' domains."""
        ids = [hit.id for hit in hits]
        read = partial(self._index.documents, with_texts=False)
        documents = await asyncio.to_thread(read, current_call().tenant, ids, wish.within.principals)
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

    @staticmethod
    def _scope(tenant: str, wish: Wish, space: Space) -> Scope:
        return Scope(tenant, wish.domains, space.key, wish.within)

    async def _session(self, tenant: str, wish: Wish, space: Space) -> FloatVector | None:
        """The vector of what was said before, where that is wanted."""
        if wish.session <= 0:
            return None
        return await self._said.of(tenant, said(wish.context), space.domain, space.key or "")

    async def _contexts(
        self, tenant: str, wish: Wish, question: Question, fused: Sequence[Fused], person: Person
    ) -> Contexts:
        """What the session, and what the user has read and said, do to the candidates."""
        history = person.history if fused else ()
        known = await known_interests(self._index, self._statements, tenant, history, question.space)
        return await weigh_contexts(self._index, tenant, question, fused, known, self._gates, wish.session)

    def _documents(
        self,
        tenant: str,
        wish: Wish,
        dense: Sequence[Candidate],
        bm25: Sequence[Candidate],
        near_by: Sequence[Candidate],
    ) -> tuple[list[Fused], dict[str, Document]]:
        """The candidates of all rankings, fused, and their documents without texts: what is shown reads its own."""
        quote = self._quoted(tenant, wish, bm25)
        fused = reciprocal_rank_fusion({"dense": dense, "bm25": bm25, quotes.RANKING: quote})
        fused += found_beside(near_by, fused)
        ids = [each.id for each in fused]
        documents = self._index.documents(tenant, ids, wish.within.principals, with_texts=False)
        # A document deleted since it was found is no answer any more.
        return [each for each in fused if each.id in documents], documents

    async def _cross_encoded(
        self, wish: Wish, fused: list[Fused], documents: Mapping[str, Document], vectors: Mapping[str, FloatVector]
    ) -> tuple[list[Fused], Sequence[str]]:
        """The first ones in the cross-encoder's order; all as they are, where there is none or it is not wanted."""
        count, notices = self._cross_encoding.wanted(wish.cross_encoded)
        if not count:
            return fused, notices
        # What only the session brings has no place in the fusion, and comes after those that have one.
        first = [each for each in fused[:count] if each.ranks]
        others = fused[len(first) :]
        passages = await self.passages(vectors, [documents[each.id] for each in first])
        texts = {**documents, **await self.documents(wish, [each.id for each in first])}
        ordered, notices = await cross_encoded(self._gateway, wish.query, first, texts, passages)
        return [*ordered, *others], notices

    def _quoted(self, tenant: str, wish: Wish, bm25: Sequence[Candidate]) -> list[Candidate]:
        terms = terms_of(wish.query)
        if not quotes.may_quote(terms, bm25):
            return []
        first = self._index.get(tenant, bm25[0].id, wish.within.principals)
        return quotes.quoted(terms, terms_of(f"{first.title}\n{first.text}"), bm25) if first else []

    async def _empty_domains(self, tenant: str, wish: Wish, documents: Mapping[str, Document]) -> Sequence[str]:
        """A domain that a candidate has is not empty; so the index is asked of few domains, mostly of none."""
        found = {each.domain for each in documents.values()}
        doubtful = [domain for domain in dict.fromkeys(wish.domains) if domain not in found]
        if not doubtful:
            return ()
        inhabited = await asyncio.to_thread(self._index.inhabited, tenant, doubtful, wish.within.principals)
        return [domain for domain in doubtful if domain not in inhabited]

    async def _known(self, wish: Wish, entities: Sequence[Sequence[str]]) -> tuple[Person, str]:
        """What is known of the user, and why none of it may count, if so.

        Without the knowledge service nothing is known, and that is no error.
        """
        if wish.personalization <= 0 or not entities:
            return NOBODY, refusal(NOBODY, wish.personalization)
        wanted = list(dict.fromkeys(each for ids in entities for each in ids))
        try:
            person = await self._gateway.person(wish.user, wish.query, wish.context, wanted)
        except grpc.aio.AioRpcError as error:
            if not is_without_answer(error):
                raise
            _log.warning("plain ranking: the knowledge service is unavailable", code=error.code().name)
            return NOBODY, "the knowledge service is unavailable: this is the plain ranking"
        return person.without(wish.not_about), refusal(person, wish.personalization)


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
