"""Search's work: candidates of everybody, ranked for the user."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import structlog

from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock, system_clock
from attune.services.search.boosts.boosting import boosted
from attune.services.search.cross_encoding import CrossEncoding, cross_encoded
from attune.services.search.fusion import Fused
from attune.services.search.gateway import Augmentation, Gateway, is_without_answer
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document, FloatVector, Index, SpaceVector
from attune.services.search.leaning.contexts import Contexts, Question, weigh_contexts
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.interests import known_interests, statements_of
from attune.services.search.leaning.said import SaidVectors
from attune.services.search.notices import of_empty_index
from attune.services.search.person import NOBODY, Person
from attune.services.search.personal import NO_CONTEXTS, Ranked, Weight, personal_ranking, refusal, weigh
from attune.services.search.retrieving import Retrieved, Retriever
from attune.services.search.spaces import Space
from attune.services.search.wish import Wish

_log = structlog.get_logger("attune.search")
NO_CROSS_ENCODER = CrossEncoding()
_STATEMENTS_KEPT = 20_000
"""Vectors of users' statements, of at most 1.5 kB each with the model that is packaged."""


@dataclass(slots=True)
class Found:
    """The whole ranking, and how it came about."""

    ranked: list[Ranked]
    documents: dict[str, Document]
    """Without their texts; none where nothing of them counts."""
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

    @property
    def entity_ids(self) -> list[Sequence[str]]:
        """Of each document of the ranking, as far as they were read."""
        return _entity_ids(self.documents, [each.fused for each in self.ranked])


@dataclass(frozen=True, slots=True)
class _Personal:
    """The candidates as they are ranked for the user, and how much what is known of the user counts."""

    ranked: list[Ranked]
    weight: Weight
    contexts: Contexts


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
        self._retriever = Retriever(index, gateway)
        self._statements = SaidVectors(gateway.said_vectors, kept=_STATEMENTS_KEPT)
        self._cross_encoding = cross_encoding

    async def search(self, wish: Wish) -> Found:
        """All candidates, the best for the user first."""
        retrieved = await self._retriever.retrieve(wish)
        times = dict(retrieved.milliseconds)
        with _timed(times, "cross_encode_ms"):
            fused, notices = await self._cross_encoded(wish, retrieved)
        with _timed(times, "personalize_ms"):
            fused, more = boosted(wish.boosts, fused, retrieved.documents, self._clock())
            personal = await self._personal(wish, retrieved, fused)
        return Found(
            personal.ranked,
            retrieved.documents,
            personal.weight,
            retrieved.query.spaces,
            retrieved.query.augmentations,
            retrieved.empty_domains,
            times,
            [*notices, *more, *of_empty_index(is_empty=retrieved.is_empty)],
            retrieved.query.by_space,
            personal.contexts,
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

    async def _cross_encoded(self, wish: Wish, retrieved: Retrieved) -> tuple[list[Fused], Sequence[str]]:
        """The first ones in the cross-encoder's order; all as they are, where there is none or it is not wanted."""
        fused = retrieved.fused
        count, notices = self._cross_encoding.wanted(wish.cross_encoded)
        if not count:
            return fused, notices
        # What only the session brings has no place in the fusion, and comes after those that have one.
        first = [each for each in fused[:count] if each.ranks]
        others = fused[len(first) :]
        documents = await self.documents(wish, [each.id for each in first])
        first = [each for each in first if each.id in documents]
        passages = await self.passages(retrieved.query.by_space, documents.values())
        ordered, notices = await cross_encoded(self._gateway, wish.query, first, documents, passages)
        return [*ordered, *others], notices

    async def _personal(self, wish: Wish, retrieved: Retrieved, fused: Sequence[Fused]) -> _Personal:
        """The candidates, which are in the plain order, by what is known of the user and was said in the session."""
        documents = retrieved.documents
        person, problem = await self._known(wish, _entity_ids(documents, fused))
        contexts = await self._contexts(wish, retrieved, fused, person)
        fused = [each for each in fused if each.ranks or contexts.move(each.id)]
        entities = _entity_ids(documents, fused)
        weight = Weight(0.0, problem) if problem else weigh(person, fused, entities, wish.personalization)
        contexts = contexts.without_history(problem) if problem else contexts
        return _Personal(personal_ranking(fused, entities, person, weight.value, contexts), weight, contexts)

    async def _contexts(self, wish: Wish, retrieved: Retrieved, fused: Sequence[Fused], person: Person) -> Contexts:
        """What the session, and what the user has read and said, do to the candidates."""
        tenant, query, history = current_call().tenant, retrieved.query, person.history
        vector, space = query.vectors[0], query.spaces[0]
        if not fused or not vector.any() or (query.session is None and not history):
            return NO_CONTEXTS
        read = (each.document_id for each in history if each.document_id)
        ids = list(dict.fromkeys([*(each.id for each in fused), *read]))
        vectors, statements = await asyncio.gather(
            self._vectors(tenant, ids, space.key, retrieved.vectors),
            statements_of(history, self._statements, tenant, space),
        )
        known = known_interests(history, vectors, statements)
        asked = Asked(wish.query, len(terms_of(wish.query)), retrieved.best_by_words)
        question = Question(asked, vector, space, query.session)
        return weigh_contexts(question, fused, vectors, known, self._gates, wish.session)

    async def _vectors(
        self, tenant: str, ids: Sequence[str], space: str | None, known: Mapping[str, SpaceVector]
    ) -> dict[str, FloatVector]:
        """Of the documents that have theirs in `space` (None: in any); those that are known are not read again."""
        missing = [each for each in ids if each not in known]
        found = await asyncio.to_thread(self._index.vectors, tenant, missing, space) if missing else {}
        there = ((each, known[each]) for each in ids if each in known)
        return found | {id_: each.vector for id_, each in there if space is None or each.space == space}

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


def _entity_ids(documents: Mapping[str, Document], fused: Sequence[Fused]) -> list[Sequence[str]]:
    return [documents[each.id].entity_ids if each.id in documents else () for each in fused]


@contextmanager
def _timed(times: dict[str, float], stage: str) -> Iterator[None]:
    """Note how many milliseconds the block takes."""
    started = time.monotonic()
    yield
    times[stage] = (time.monotonic() - started) * 1000
