"""Which entity each name of a text stands for: all of the text's names are weighed together.

A text may have several parts that are read as one, such as a query and the title clicked for it.

    score(e, name) = log P(e | name) + sum of weight * evidence

context    the share of e's profile (label, description, neighbours) that the text's words make up (context.py)
company    the share of it that the profiles of the other names' entities have too: in a list of cricket clubs, all
           names have a candidate with "cricket" in its profile
coherence  the text's other entities that the graph links to e, each as certain as the evidence so far makes it and
           worth 1/log2(2 + degree), for the most linked entities are linked to everything; at most 1
support    1 if a longer name of e stands elsewhere in the text: "Bush" after "George W. Bush"
lower_case 1 for a proper name in small letters where the text has capitals
fragment   1 if the text writes the name as part of a longer, unknown one
derived    1 if the name is only derived from what anything is called (names.py): it may well be somebody else's
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from attune.knowledge_store.candidates import CERTAIN, Named, Use
from attune.knowledge_store.context import Asked, Bag, Fit, LexicalContext, Shared, Words
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.names import NameKind


class Evidence(NamedTuple):
    """The terms of a score, or their weights (natural logarithms of odds)."""

    context: float = 0.0
    company: float = 0.0
    coherence: float = 0.0
    support: float = 0.0
    lower_case: float = 0.0
    fragment: float = 0.0
    derived: float = 0.0

    def weighted(self, by: "Evidence") -> float:
        if self is NO_EVIDENCE:  # most often
            return 0.0
        return (
            self.context * by.context
            + self.company * by.company
            + self.coherence * by.coherence
            + self.support * by.support
            + self.lower_case * by.lower_case
            + self.fragment * by.fragment
            + self.derived * by.derived
        )


WEIGHTS = Evidence(context=8.0, company=16.0, coherence=1.1, support=0.6, lower_case=-3.0, fragment=-2.0, derived=-1.0)


NO_EVIDENCE = Evidence()


class Candidate(NamedTuple):
    entity_id: str
    score: float


def _best_first(candidate: Candidate) -> tuple[float, str]:
    return -candidate.score, candidate.entity_id


class _Weighed(NamedTuple):
    named: Named
    score: float


class Anchor(NamedTuple):
    """By which name a text is likely to name an entity, and how likely. Of two, the greater counts."""

    length: int
    name: str
    certainty: float


@dataclass(frozen=True, slots=True)
class Anchors:
    """The entities that a text is likely to name."""

    ids: frozenset[str]
    known: Mapping[str, Anchor]


_Uses = Mapping[Use, Sequence[Named]]


class Disambiguator:
    """Weighs candidates by the texts that they stand in. Immutable.

    `proper` are the entities with proper names, `topics` the words of the profiles of each name's entities.
    """

    def __init__(
        self,
        context: LexicalContext,
        graph: CatalogGraph,
        proper: AbstractSet[str],
        topics: Mapping[str, Words],
    ) -> None:
        self._context = context
        self._graph = graph
        self._proper = proper
        self._topics = topics

    def scored(self, uses: _Uses, bag: Callable[[], Bag], weights: Evidence) -> dict[Use, tuple[Candidate, ...]]:
        """For each use of a name its candidates, the best first, ties by id. Candidates must not be empty.

        `bag` is of the text, and is asked for where a name may stand for several things: most do not.
        """
        if all(candidates[0].log_prior == 0.0 and self._is_plain(use, candidates) for use, candidates in uses.items()):
            return {use: (Candidate(candidates[0].entity_id, 0.0),) for use, candidates in uses.items()}
        alone = {
            use: [_Weighed(named, named.log_prior + each.weighted(weights)) for named, each in found]
            for use, found in self.evidence(uses, bag).items()
        }
        anchors = _anchors(alone)
        return {use: self._together(use, weighed, anchors, weights) for use, weighed in alone.items()}

    def evidence(self, uses: _Uses, bag: Callable[[], Bag]) -> dict[Use, list[tuple[Named, Evidence]]]:
        """What each candidate has for it without knowing what the other names stand for."""
        doubtful = {use: candidates for use, candidates in uses.items() if not self._is_plain(use, candidates)}
        weighed = self._weighed_up(doubtful, bag(), {use.name for use in uses}) if doubtful else {}
        return {use: weighed.get(use) or [(candidates[0], NO_EVIDENCE)] for use, candidates in uses.items()}

    def _is_plain(self, use: Use, candidates: Sequence[Named]) -> bool:
        """Only one thing is called so, and it is written as it should be: log P = 0 needs no evidence."""
        if len(candidates) != 1 or use.is_fragment:
            return False
        first = candidates[0]
        return first.kind <= CERTAIN and not (use.is_small and first.entity_id in self._proper)

    def _weighed_up(self, uses: _Uses, bag: Bag, names: AbstractSet[str]) -> Mapping[Use, list[tuple[Named, Evidence]]]:
        """`names` are all of the text's."""
        shared = Shared.of([self._topics[name] for name in names])
        asked = [
            Asked([each.entity_id for each in candidates], self._context.bag_of(use.name))
            for use, candidates in uses.items()
        ]
        fits = self._context.fits(bag, shared, asked)
        return {
            use: self._with_evidence(use, candidates, found)
            for (use, candidates), found in zip(uses.items(), fits, strict=True)
        }

    def _with_evidence(
        self, use: Use, candidates: Sequence[Named], fits: Sequence[Fit]
    ) -> list[tuple[Named, Evidence]]:
        fragment = float(use.is_fragment)
        derived = float(all(each.kind > CERTAIN for each in candidates))
        return [
            (
                each,
                Evidence(
                    context=fit.coverage,
                    company=fit.company,
                    lower_case=float(use.is_small and each.entity_id in self._proper),
                    fragment=fragment,
                    derived=derived,
                ),
            )
            for each, fit in zip(candidates, fits, strict=True)
        ]

    def linked(self, use: Use, entity_id: str, anchors: Anchors) -> Evidence:
        """What the entities of the text's other names have for it."""
        said = 0.0
        links = self._graph.linked(entity_id)
        for other in sorted(links & anchors.ids) if links else ():
            anchor = anchors.known[other]
            if anchor.name != use.name:
                said += anchor.certainty / math.log2(2 + len(self._graph.linked(other)))
        own = anchors.known.get(entity_id)
        has_longer = own is not None and own.length > len(use.name)
        if not (said or has_longer):
            return NO_EVIDENCE
        return Evidence(coherence=min(1.0, said), support=float(has_longer))

    def _together(
        self, use: Use, weighed: Sequence[_Weighed], anchors: Anchors, weights: Evidence
    ) -> tuple[Candidate, ...]:
        if len(weighed) == 1 and weighed[0].score == 0.0:
            return (Candidate(weighed[0].named.entity_id, 0.0),)
        candidates = [
            Candidate(entity_id, score + self.linked(use, entity_id, anchors).weighted(weights))
            for (entity_id, _, _), score in weighed
        ]
        return tuple(sorted(candidates, key=_best_first))


def _anchors(alone: Mapping[Use, Sequence[_Weighed]]) -> Anchors:
    """Each use's best entity, unless by a part of its name only."""
    anchors: dict[str, Anchor] = {}
    for use, weighed in alone.items():
        best = weighed[0] if len(weighed) == 1 else min(weighed, key=lambda each: (-each.score, each.named.entity_id))
        if best.named.kind is NameKind.PART:
            continue
        certainty = 1 / math.fsum([math.exp(each.score - best.score) for each in weighed])
        anchor = Anchor(len(use.name), use.name, certainty)
        anchors[best.named.entity_id] = max(anchor, anchors.get(best.named.entity_id, anchor))
    return Anchors(frozenset(anchors), anchors)
