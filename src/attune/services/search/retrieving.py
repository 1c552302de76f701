"""What a search finds before anything of it is personal: dense and BM25 candidates, fused, and their documents."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from attune.services.runtime.call import current_call
from attune.services.search import quotes
from attune.services.search.feedback.mending import embedded_query
from attune.services.search.fusion import Fused, reciprocal_rank_fusion
from attune.services.search.gateway import Augmentation, Expert, Gateway
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.port import Candidate, Document, FloatVector, Index, Scope, SpaceVector, ToRank
from attune.services.search.leaning.said import SaidVectors, said
from attune.services.search.leaning.session import found_beside, near
from attune.services.search.spaces import EVERYTHING, Space, merge, with_hits, worth_searching
from attune.services.search.wish import Wish

CANDIDATES = 100
"""How many documents each ranking contributes, and so how far one can page."""
_EXPERTS_AGE_S = 1.0
"""Experts change once in weeks, and to ask for them is a call. Whoever indexes documents asks each time,
and the searches of that process know then, too.
"""
_TELLING_HITS = 20
"""Of BM25: whose domains say where the answer is."""


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A query as each of the spaces worth searching has it, the likeliest first."""

    spaces: Sequence[Space]
    vectors: Sequence[FloatVector]
    augmentations: Sequence[Augmentation]
    session: FloatVector | None
    """What was said before, by the expert of the first space, where that is wanted."""

    @property
    def by_space(self) -> dict[str, FloatVector]:
        """The vectors by the keys of their spaces, without those of a query that left nothing to embed."""
        return {space.key or "": vector for space, vector in self.pairs()}

    def pairs(self) -> list[tuple[Space, FloatVector]]:
        """What there is to search by."""
        return [pair for pair in zip(self.spaces, self.vectors, strict=True) if pair[1].any()]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The candidates, and how they were found."""

    fused: list[Fused]
    """In the plain order; those that only the session has found come last, and have no plain score."""
    documents: dict[str, Document]
    """Without their texts; none where nothing of them counts, see `Wish.looks_at_documents`."""
    vectors: Mapping[str, SpaceVector]
    """Of those of the documents of which they came along."""
    query: EmbeddedQuery
    best_by_words: float
    """The best score of BM25; 0 where it found nothing."""
    empty_domains: Sequence[str]
    """The domains asked for that no document has, in the order asked."""
    is_empty: bool
    """Nothing was found, as the tenant has no documents."""
    milliseconds: Mapping[str, float]


class Retriever:
    """Finds candidates for a query, the same for everybody but for what was said in the session."""

    def __init__(self, index: Index, gateway: Gateway) -> None:
        self._index = index
        self._gateway = gateway
        self._said = SaidVectors(gateway.said_vectors)

    async def retrieve(self, wish: Wish) -> Retrieved:
        """The candidates of all rankings, fused."""
        tenant, started = current_call().tenant, time.monotonic()
        by_words = asyncio.create_task(
            asyncio.to_thread(self._index.bm25, tenant, wish.query, CANDIDATES, wish.domains, wish.within)
        )
        try:
            query = await self._embedded(tenant, wish, by_words)
            embedded_at = time.monotonic()
            scope = Scope(tenant, wish.domains, query.spaces[0].key, wish.within)
            dense, bm25, near_by = await asyncio.gather(
                self._dense(tenant, wish, query),
                by_words,
                near(self._index, scope, query.vectors[0], query.session, CANDIDATES),
            )
        except BaseException:
            by_words.cancel()  # else nobody would hear of its failure
            raise
        # In one thread: each change of threads costs more than the fusion.
        fused, read = await asyncio.to_thread(self._fused, tenant, wish, dense, bm25, near_by)
        empty_domains = await self._empty_domains(tenant, wish, fused, read.documents)
        is_empty = not fused and await self._is_empty(tenant, wish)
        times = {"embed_ms": 1000 * (embedded_at - started), "retrieve_ms": 1000 * (time.monotonic() - embedded_at)}
        best_by_words = bm25[0].score if bm25 else 0.0
        return Retrieved(fused, read.documents, read.vectors, query, best_by_words, empty_domains, is_empty, times)

    async def _embedded(self, tenant: str, wish: Wish, by_words: Awaitable[Sequence[Candidate]]) -> EmbeddedQuery:
        """By the expert of each space worth searching, and augmented as it can."""
        experts = await self._gateway.experts(_EXPERTS_AGE_S)
        spaces = await self._spaces(tenant, wish, experts, by_words)
        wanted = {space.domain: experts.get(space.domain, Expert()).augmentation(wish.augmentation) for space in spaces}
        embedded, session = await asyncio.gather(
            embedded_query(self._gateway, wish.query, wish.replacements, wanted, experts),
            self._session(tenant, wish, spaces[0]),
        )
        return EmbeddedQuery(spaces, [each for each, _ in embedded], [each for _, each in embedded], session)

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
        read = await asyncio.to_thread(self._index.to_rank, current_call().tenant, ids, wish.within.principals)
        documents = read.documents
        scores: dict[str, float] = {}
        for hit in hits:
            if hit.id in documents:
                domain = documents[hit.id].domain
                scores[domain] = scores.get(domain, 0.0) + hit.score
        return scores

    async def _dense(self, tenant: str, wish: Wish, query: EmbeddedQuery) -> list[Candidate]:
        known = query.pairs()
        found = await asyncio.gather(
            *(
                asyncio.to_thread(self._index.dense, tenant, vector, CANDIDATES, wish.domains, space.key, wish.within)
                for space, vector in known
            )
        )
        return merge(list(zip((space for space, _ in known), found, strict=True)), CANDIDATES)

    async def _session(self, tenant: str, wish: Wish, space: Space) -> FloatVector | None:
        """The vector of what was said before, where that is wanted."""
        if wish.session <= 0:
            return None
        return await self._said.of(tenant, said(wish.context), space.domain, space.key or "")

    def _fused(
        self,
        tenant: str,
        wish: Wish,
        dense: Sequence[Candidate],
        bm25: Sequence[Candidate],
        near_by: Sequence[Candidate],
    ) -> tuple[list[Fused], ToRank]:
        """The candidates of all rankings, fused, and of their documents what `Retrieved` has. What is shown reads its
        own, and passes over what was deleted meanwhile.
        """
        quote = self._quoted(tenant, wish, bm25)
        fused = reciprocal_rank_fusion({"dense": dense, "bm25": bm25, quotes.RANKING: quote})
        fused += found_beside(near_by, fused)
        if not wish.looks_at_documents:
            return fused, ToRank({}, {})
        read = self._index.to_rank(tenant, [each.id for each in fused], wish.within.principals)
        # A document deleted since it was found is no answer any more.
        return [each for each in fused if each.id in read.documents], read

    def _quoted(self, tenant: str, wish: Wish, bm25: Sequence[Candidate]) -> list[Candidate]:
        terms = terms_of(wish.query)
        if not quotes.may_quote(terms, bm25):
            return []
        first = self._index.get(tenant, bm25[0].id, wish.within.principals)
        return quotes.quoted(terms, terms_of(f"{first.title}\n{first.text}"), bm25) if first else []

    async def _is_empty(self, tenant: str, wish: Wish) -> bool:
        """What is narrowed may find nothing among many documents, which are not counted for it."""
        is_narrowed = wish.domains or wish.within.languages or wish.within.filter
        return not is_narrowed and await asyncio.to_thread(self._index.count, tenant) == 0

    async def _empty_domains(
        self, tenant: str, wish: Wish, fused: Sequence[Fused], documents: Mapping[str, Document]
    ) -> Sequence[str]:
        """A domain that a candidate has is not empty; so the index is asked of few domains, mostly of none."""
        wanted = list(dict.fromkeys(wish.domains))
        found = {each.domain for each in documents.values()}
        if fused and len(wanted) == 1:
            found.update(wanted)
        doubtful = [domain for domain in wanted if domain not in found]
        if not doubtful:
            return ()
        inhabited = await asyncio.to_thread(self._index.inhabited, tenant, doubtful, wish.within.principals)
        return [domain for domain in doubtful if domain not in inhabited]
