"""Entity linking: which entities a text names.

Gazetteers find the names (gazetteer.py): what some entity is called, and, in the gaps between, what English makes of
such names (names.py): demonyms and parts where the text writes them with a capital, demonyms alone where its letters
are all small or all capital. All names of the text are then weighed together (disambiguation.py): how likely each is on
its own (candidates.py), the words around, each other. A name whose best score is under `nil_threshold` stands for no
entity. No term depends on the user: what is written to a user's store must not be steered by what is in it.

A name that is one common English word (common_words.txt) links only where it is the whole text, or is written as code:
between backticks, or called, as in `list()`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from attune.knowledge_store.candidates import CandidateIndex, Named, Use
from attune.knowledge_store.capitals import Taken, capitals, has_capitals
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.common_words import common_words
from attune.knowledge_store.context import Bag, LexicalContext
from attune.knowledge_store.disambiguation import WEIGHTS, Candidate, Disambiguator, Evidence
from attune.knowledge_store.gazetteer import Match, Pieces
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import Entity, LinkedEntity
from attune.knowledge_store.normalization import NormalizedText, normalize, normalize_name
from attune.knowledge_store.popularity import popularity
from attune.knowledge_store.salience import document_salience

__all__ = ["Candidate", "Linker", "Mention"]

NIL_THRESHOLD = 0.0
"""Calibrated on development texts (docs/results/linking.md): what may mean several things needs evidence for one."""
_MOST_LISTED = 8
_MOST_NEIGHBOURS = 16


@dataclass(frozen=True, slots=True)
class Mention:
    """text[start:end] == surface names the entity; `candidates` are the best ones with the chosen first."""

    start: int
    end: int
    surface: str
    entity_id: str
    score: float
    candidates: tuple[Candidate, ...]


class _Spot(NamedTuple):
    """A place of the original text where a name stands."""

    start: int
    end: int
    use: Use
    candidates: tuple[Named, ...]


class Linker:
    """Links texts to a catalog. Immutable, so threads may share one."""

    def __init__(
        self,
        catalog: Catalog,
        graph: CatalogGraph,
        *,
        weights: Evidence = WEIGHTS,
        nil_threshold: float = NIL_THRESHOLD,
    ) -> None:
        self._graph = graph
        self.candidates = CandidateIndex(catalog, popularity(catalog, graph))
        self._context = LexicalContext({entity.id: _profile(entity, catalog, graph) for entity in catalog})
        self._disambiguator = Disambiguator(
            self._context,
            graph,
            proper=frozenset(entity.id for entity in catalog if entity.label[:1].isupper()),
            topics={
                name: self._context.topic(ids, self._context.bag_of(name)) for name, ids in self.candidates.names()
            },
        )
        self._common_words = common_words()
        self._weights = weights
        self._nil_threshold = nil_threshold

    def link(self, text: str, *, context: str = "") -> list[Mention]:
        """The mentions of `text` in order, without overlaps; `context` helps to choose and is not linked itself."""
        return self.link_together((text,), context=context)[0]

    def link_together(self, texts: Sequence[str], *, context: str = "") -> list[list[Mention]]:
        """The mentions of each text, where all are read as one: the names of all are weighed together.

        For texts that belong together and are written apart, such as a query in small letters and a title: what case
        tells, and whether a common word stands alone, is asked of each text by itself.
        """
        normalized = [normalize(text) for text in texts]
        spots = [list(self._spots(*each)) for each in zip(texts, normalized, strict=True)]
        scored = self._scored(chain.from_iterable(spots), normalized, context)
        return [
            [
                _mention(text, spot, scored[spot.use])
                for spot in found
                if scored[spot.use][0].score >= self._nil_threshold
            ]
            for text, found in zip(texts, spots, strict=True)
        ]

    def link_batch(self, texts: Sequence[str]) -> list[list[Mention]]:
        return [self.link(text) for text in texts]

    def disambiguate(self, text: str, spans: Sequence[tuple[int, int]], *, context: str = "") -> list[Mention | None]:
        """The best entity of each given span (start, end), whatever its score; None if nothing is called so."""
        tells = has_capitals(text)
        uses = [Use.of(normalize_name(text[start:end]), text[start:end], tells=tells) for start, end in spans]
        spots = [_Spot(*span, use, self.candidates.of(use)) for span, use in zip(spans, uses, strict=True)]
        known = [spot for spot in spots if spot.candidates]
        scored = self._scored(known, [normalize(text)], context)
        return [_mention(text, spot, scored[spot.use]) if spot.candidates else None for spot in spots]

    def link_document(self, title: str, text: str, *, query: str = "") -> list[LinkedEntity]:
        """The entities that a document is about, most salient first (salience.py says how).

        Title, text and the query that the document was found by are read together; what only the query names is none.
        """
        in_title, in_text, _ = self.link_together((title, text, query))
        return document_salience(title, in_title, in_text, self._graph)

    def _scored(
        self, spots: Iterable[_Spot], texts: Iterable[NormalizedText], context: str
    ) -> Mapping[Use, tuple[Candidate, ...]]:
        """For each use of a name its candidates, the best first."""
        uses = {spot.use: spot.candidates for spot in spots}
        if not uses:
            return {}

        def bag() -> Bag:
            return self._context.bag_of(*(each.text for each in texts), normalize(context).text)

        return self._disambiguator.scored(uses, bag, self._weights)

    def _spots(self, text: str, normalized: NormalizedText) -> Iterator[_Spot]:
        tells = has_capitals(text)
        whole = normalized.text.strip()
        matches = self._matches(text, normalized, tells=tells)
        spans = [normalized.original_span(match.start, match.end) for match in matches]
        taken = Taken(spans)
        known: dict[Use, tuple[Named, ...]] = {}
        for match, (start, end) in zip(matches, spans, strict=True):
            if match.name in self._common_words and match.name != whole and not _is_code(text, start, end):
                continue
            if match.name in _CONTRACTED and normalized.text[max(match.start - 1, 0) : match.start] in _APOSTROPHES:
                continue
            is_fragment = tells and taken.is_fragment(text, start, end)
            use = Use.of(match.name, text[start:end], tells=tells, is_fragment=is_fragment)
            if use not in known:
                known[use] = self.candidates.of(use)
            if known[use]:
                yield _Spot(start, end, use, known[use])

    def _matches(self, text: str, normalized: NormalizedText, *, tells: bool) -> list[Match]:
        pieces = Pieces.of(normalized.text)
        certain = self.candidates.certain.find(pieces)
        if tells:
            others = self.candidates.derived.find(pieces, frozenset(capitals(text, normalized)))
        else:
            others = self.candidates.demonyms.find(pieces)
        return sorted([*certain, *_in_gaps(others, certain)])


def _in_gaps(matches: Iterable[Match], taken: Sequence[Match]) -> Iterator[Match]:
    """Those that overlap none of `taken`; both in order."""
    others = iter(taken)
    other = next(others, None)
    for match in matches:
        while other is not None and other.end <= match.start:
            other = next(others, None)
        if other is None or match.end <= other.start:
            yield match


def _mention(text: str, spot: _Spot, candidates: tuple[Candidate, ...]) -> Mention:
    best = candidates[0]
    surface = text[spot.start : spot.end]
    return Mention(spot.start, spot.end, surface, best.entity_id, best.score, candidates[:_MOST_LISTED])


def _profile(entity: Entity, catalog: Catalog, graph: CatalogGraph) -> str:
    neighbours = (catalog[neighbour.entity_id].label for neighbour in graph.neighbours(entity.id))
    return " ".join((entity.label, entity.description, *islice(neighbours, _MOST_NEIGHBOURS)))


def _is_code(text: str, start: int, end: int) -> bool:
    return text.startswith("(", end) or (text[max(start - 1, 0) : start] == "`" and text.startswith("`", end))


_APOSTROPHES = {"'", "\u2019", "\u02bc"}
_CONTRACTED = frozenset({"d", "ll", "m", "re", "s", "t", "ve"})
"""What is left of words behind an apostrophe: "I'm", "don't", "somebody's"."""
