"""The ranker's path from a situation to suggestions: candidates, their texts and vectors, their order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.queries.model import NO_QUERIES, QueryStatistics
from attune.services.suggestion.ranking.candidates import Candidate, candidates
from attune.services.suggestion.ranking.encoder import Embed, Encoder
from attune.services.suggestion.ranking.features import Seen
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.ranker import Ranked, rank

_TURNS = 20
_WITHOUT_MEANING = "the embedding service is unavailable: suggestions are ranked without meaning, by words and counts"


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranker's suggestions."""

    suggestions: Sequence[Ranked] = ()
    """The best first."""
    notice: str = ""
    """What the caller should know of their order: a sentence."""


def _no_queries() -> QueryStatistics:
    return NO_QUERIES


class RankerPath:
    """One a service. `queries` gives the statistics of the current caller's tenant."""

    def __init__(
        self,
        embed: Embed,
        model: RankerModel,
        *,
        queries: Callable[[], QueryStatistics] = _no_queries,
        temperature: float = 0.0,
        random: np.random.Generator | None = None,
    ) -> None:
        self._encoder = Encoder(embed)
        self._model = model
        self._queries = queries
        self._temperature = temperature
        self._random = random

    async def ranked(self, situation: Situation, allows: Callable[[str], bool], limit: int) -> Ranking:
        """At most `limit` suggestions that are allowed, the best first."""
        found, counted_by = await asyncio.to_thread(self._found, situation, allows)
        if not found:
            return Ranking()
        turns = [text for text in situation.previous_queries if text.strip()][-_TURNS:]
        query, page = situation.query.strip(), situation.page_title.strip()
        needed = [text for text in (query, page, *turns) if text]
        wanted = [(each.text, each.vector) for each in found]
        encoded = await self._encoder.texts(needed, wanted, counted_by)
        by_text = dict(zip(needed, encoded.needed, strict=True))
        ranked = rank(
            found,
            encoded.wanted,
            Seen(by_text.get(query), [by_text[each] for each in turns], by_text.get(page), known=_known(situation)),
            self._model,
            limit,
            temperature=self._temperature,
            random=self._random,
        )
        return Ranking(ranked, "" if encoded.has_vectors else _WITHOUT_MEANING)

    def _found(self, situation: Situation, allows: Callable[[str], bool]) -> tuple[list[Candidate], str]:
        """And the model that their vectors are of. Reads a file, perhaps."""
        queries = self._queries()
        return [each for each in candidates(situation, queries) if allows(each.text)], queries.vectors_by


def _known(situation: Situation) -> dict[str, tuple[Mode, float]]:
    """Of the context and the user's own; of two modes familiar counts, then whichever came first."""
    known: dict[str, tuple[Mode, float]] = {}
    for each in _familiar_first([*situation.entities, *situation.own]):
        known.setdefault(each.entity_id, (each.mode, each.score))
    return known


def _familiar_first(entities: Sequence[KnownEntity]) -> list[KnownEntity]:
    return sorted(entities, key=lambda each: each.mode is not Mode.FAMILIAR)
