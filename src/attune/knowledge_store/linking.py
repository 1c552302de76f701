"""Entity linking: which entities a text names.

The gazetteer finds the names; each candidate of a name is scored

    score(e) = prior_weight * log P(e | name) + context_weight * cos(context, profile of e)

where P(e | name) shares the candidates' PageRank out among them (an entity whose label is the name counts LABEL_ODDS
times), and the profile is the entity's label, description and neighbours' labels, compared without the words of the
name itself. A name whose best score is under `nil_threshold` stands for no entity. No term depends on the user: what is
written to a user's store must not be steered by what is in it.

A name that is one common English word (common_words.txt) links only where it is the whole text, or is written as code:
between backticks, or called, as in `list()`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.context import Bag, LexicalContext
from attune.knowledge_store.gazetteer import Gazetteer, Match
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import Entity, LinkedEntity
from attune.knowledge_store.normalization import normalize, normalize_name
from attune.knowledge_store.salience import document_salience

LABEL_ODDS = 4.0
_MOST_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    entity_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Mention:
    """text[start:end] == surface names the entity; `candidates` are the best ones with the chosen first."""

    start: int
    end: int
    surface: str
    entity_id: str
    score: float
    candidates: tuple[Candidate, ...]


class Linker:
    """Links texts to a catalog. Immutable, so threads may share one."""

    def __init__(
        self,
        catalog: Catalog,
        graph: CatalogGraph,
        *,
        prior_weight: float = 1.0,
        context_weight: float = 16.0,
        nil_threshold: float = -1.0,
    ) -> None:
        self._graph = graph
        self._labels = {entity.id: normalize_name(entity.label) for entity in catalog}
        self._gazetteer = Gazetteer((name, e.id) for e in catalog for name in (e.label, *e.aliases))
        self._context = LexicalContext({entity.id: _profile(entity, catalog, graph) for entity in catalog})
        self._common_words = _common_words()
        self._prior_weight = prior_weight
        self._context_weight = context_weight
        self._nil_threshold = nil_threshold

    def link(self, text: str, *, context: str = "") -> list[Mention]:
        """The mentions of `text` in order, without overlaps; `context` helps to choose and is not linked itself."""
        return list(self._mentions(text, context))

    def link_batch(self, texts: Sequence[str]) -> list[list[Mention]]:
        return [self.link(text) for text in texts]

    def link_document(self, title: str, text: str, *, context: str = "") -> list[LinkedEntity]:
        """The entities that a document is about, most salient first (salience.py says how)."""
        in_title = self.link(title, context=f"{text}\n{context}")
        in_text = self.link(text, context=f"{title}\n{context}")
        return document_salience(title, in_title, in_text, self._graph)

    def _mentions(self, text: str, context: str) -> Iterator[Mention]:
        normalized = normalize(text)
        bag = self._context.bag(text, context)
        whole = normalized.text.strip()
        for match in self._gazetteer.find(normalized):
            start, end = normalized.original_span(match.start, match.end)
            if match.name in self._common_words and match.name != whole and not _is_code(text, start, end):
                continue
            candidates = self._candidates(match, bag)
            if candidates[0].score >= self._nil_threshold:
                best = candidates[0]
                yield Mention(start, end, text[start:end], best.entity_id, best.score, candidates)

    def _candidates(self, match: Match, bag: Bag) -> tuple[Candidate, ...]:
        name = self._context.bag(match.name)
        odds = [self._odds(entity_id, match.name) for entity_id in match.entity_ids]
        total = sum(odds)
        scored = [
            Candidate(
                entity_id,
                self._prior_weight * math.log(share / total)
                + self._context_weight * self._context.similarity(bag, entity_id, ignoring=name),
            )
            for entity_id, share in zip(match.entity_ids, odds, strict=True)
        ]
        return tuple(sorted(scored, key=lambda c: (-c.score, c.entity_id))[:_MOST_CANDIDATES])

    def _odds(self, entity_id: str, name: str) -> float:
        return self._graph.prior(entity_id) * (LABEL_ODDS if self._labels[entity_id] == name else 1.0)


def _profile(entity: Entity, catalog: Catalog, graph: CatalogGraph) -> str:
    neighbours = (catalog[neighbour.entity_id].label for neighbour in graph.neighbours(entity.id))
    return " ".join((entity.label, entity.description, *neighbours))


def _is_code(text: str, start: int, end: int) -> bool:
    return text.startswith("(", end) or (text[max(start - 1, 0) : start] == "`" and text.startswith("`", end))


@lru_cache(maxsize=1)
def _common_words() -> frozenset[str]:
    return frozenset(files("attune.knowledge_store").joinpath("common_words.txt").read_text("utf-8").split())
