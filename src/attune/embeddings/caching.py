"""An engine that remembers: repeated texts are answered from memory, the others by the engine behind it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from attune.embeddings.batching import EngineResult, EngineTimings
from attune.embeddings.cache import VectorCache
from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import TextError
from attune.embeddings.items import Embedded, EmbedItem, EmbedResult
from attune.embeddings.lanes import Lane


class TextEngine(Protocol):
    """Embeds texts for many callers. `BatchingEngine` is one."""

    async def embed(
        self, items: Sequence[EmbedItem], *, lane: Lane = Lane.INTERACTIVE, deadline: float | None = None
    ) -> EngineResult:
        """See `BatchingEngine.embed`."""
        ...

    @property
    def domains(self) -> DomainRegistry:
        """See `BatchingEngine.domains`."""
        ...

    async def reload(self) -> DomainRegistry:
        """See `BatchingEngine.reload`."""
        ...


class CachingEngine:
    """Answers what it has a vector of at once; only interactive texts, as bulk ones are read once.

    What an expert of before computed is not found any more once it has changed.
    Bulk texts would push the others out, so they neither look nor stay. Texts that cannot be embedded are not kept.
    `count` is told the hits and misses of each request, in texts.
    """

    def __init__(self, engine: TextEngine, cache: VectorCache, count: Callable[[int, int], None]) -> None:
        self._engine = engine
        self._cache = cache
        self._count = count

    @property
    def domains(self) -> DomainRegistry:
        """The domains of the engine behind it."""
        return self._engine.domains

    async def reload(self) -> DomainRegistry:
        """Let the engine behind it load the experts of now."""
        return await self._engine.reload()

    async def embed(
        self, items: Sequence[EmbedItem], *, lane: Lane = Lane.INTERACTIVE, deadline: float | None = None
    ) -> EngineResult:
        """Embed the items; a request that is all from memory has waited for nothing. See `BatchingEngine.embed`."""
        if lane is not Lane.INTERACTIVE:
            return await self._engine.embed(items, lane=lane, deadline=deadline)
        domains = self._engine.domains
        keys = [self._cache.key(item, domains.version(item.domain)) for item in items]
        results: list[EmbedResult | None] = [self._cache.find(key) for key in keys]
        missing = [place for place, result in enumerate(results) if result is None]
        self._count(len(items) - len(missing), len(missing))
        timings = EngineTimings(0.0, 0.0, 0.0)
        if missing:
            computed = await self._engine.embed([items[place] for place in missing], lane=lane, deadline=deadline)
            timings = computed.timings
            for place, result in zip(missing, computed.results, strict=True):
                results[place] = self._kept(keys[place], place, result)
        return EngineResult(tuple(result for result in results if result is not None), timings)

    def _kept(self, key: bytes, place: int, result: EmbedResult) -> EmbedResult:
        """The result as one of the whole request."""
        if (
            isinstance(result, Embedded) and not result.augmented.explained
        ):  # explanations are large, and seldom asked for
            self._cache.keep(key, result)
        return result.at(place) if isinstance(result, TextError) else result
