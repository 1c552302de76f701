"""Which entities a name may stand for, and how likely each is before anything else of the text is read.

    P(e | name) = odds(e, name) / sum of the odds of all who share the name as it is written
    odds(e, name) = KIND_ODDS[kind of the name] * popularity(e)

Computed once, when the catalog is loaded. A name keeps its MOST_CANDIDATES likeliest entities, whose probabilities are
still those among all: a name that a million entities have costs a look-up no more than any other, and says as little
as it should.
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.gazetteer import Gazetteer
from attune.knowledge_store.names import NameKind, names_of

MOST_CANDIDATES = 12
CERTAIN = NameKind.VARIANT
"""The last kind of name that links whatever its case."""
KIND_ODDS = {
    NameKind.LABEL: 3.0,
    NameKind.ALIAS: 2.3,
    NameKind.VARIANT: 3.0,
    NameKind.ACRONYM: 0.2,
    NameKind.DEMONYM: 10.0,
    NameKind.PART: 0.6,
}


class Use(NamedTuple):
    """A name as a text writes it; `name` is normalised.

    In a text whose letters are all small, or all capital, case says nothing: `is_upper` then, not `is_capitalised`.
    `is_fragment` for a capitalised name right beside another capitalised word that is in no name: both are of a longer,
    unknown one.
    """

    name: str
    is_capitalised: bool
    is_upper: bool
    is_fragment: bool = False

    @classmethod
    def of(cls, name: str, surface: str, *, tells: bool, is_fragment: bool = False) -> Self:
        """The use of a name by a text that writes it as `surface`; `tells`: whether case tells something there."""
        if not tells:
            return cls(name, is_capitalised=False, is_upper=True)
        return cls(name, surface[:1].isupper(), surface.isupper(), is_fragment)

    @property
    def is_small(self) -> bool:
        """Whether it is in small letters where case tells something."""
        return not (self.is_capitalised or self.is_upper)

    def allows(self, kind: NameKind) -> bool:
        """Where case tells something, acronyms are in capitals, demonyms and parts have one first; else no part counts.

        Any word may be a part of a name, while a demonym is hardly ever another word.
        """
        if kind <= CERTAIN:
            return True
        if kind is NameKind.ACRONYM:
            return self.is_upper
        return self.is_capitalised or (kind is NameKind.DEMONYM and self.is_upper)


class Named(NamedTuple):
    """An entity that has the name; `log_prior` is the natural logarithm of P(e | name)."""

    entity_id: str
    kind: NameKind
    log_prior: float


@dataclass(frozen=True, slots=True)
class _Name:
    """The likeliest entities as if every kind were allowed, each with its odds, and the odds of all by kind."""

    likeliest: tuple[Named, ...]
    odds: tuple[float, ...]
    totals: Mapping[NameKind, float]
    is_certain: bool
    """Whether every kind links whatever the case."""


class CandidateIndex:
    """The entities of each normalised name, and the gazetteers that find the names in texts.

    `certain` finds names that are some entity's label, alias, variant or acronym, `derived` the others; of these,
    `demonyms` finds those that may be meant where case tells nothing.
    """

    def __init__(self, catalog: Catalog, popularity: Mapping[str, float]) -> None:
        sharing: dict[str, list[tuple[str, NameKind, float]]] = {}
        for entity in catalog:
            fame = popularity[entity.id]
            for name, kind in names_of(entity).items():
                sharing.setdefault(name, []).append((entity.id, kind, KIND_ODDS[kind] * fame))
        self._names = {name: _name(entities) for name, entities in sharing.items()}
        cased = {name: all(kind > NameKind.ACRONYM for kind in known.totals) for name, known in self._names.items()}
        self.certain = Gazetteer(name for name, is_cased in cased.items() if not is_cased)
        self.derived = Gazetteer(name for name, is_cased in cased.items() if is_cased)
        self.demonyms = Gazetteer(
            name for name, is_cased in cased.items() if is_cased and NameKind.DEMONYM in self._names[name].totals
        )

    def names(self) -> Iterable[tuple[str, list[str]]]:
        """Each name with its likeliest entities."""
        return ((name, [each.entity_id for each in known.likeliest]) for name, known in self._names.items())

    def of(self, use: Use) -> tuple[Named, ...]:
        """Who may be meant, the likeliest first, ties by id; empty if nobody is called so, or not as it is written."""
        known = self._names.get(use.name)
        if known is None:
            return ()
        if known.is_certain:  # most often
            return known.likeliest
        allowed = [kind for kind in known.totals if use.allows(kind)]
        if len(allowed) == len(known.totals):
            return known.likeliest
        total = math.fsum([known.totals[kind] for kind in allowed])
        return tuple(
            [
                Named(each.entity_id, each.kind, math.log(odds / total))
                for each, odds in zip(known.likeliest, known.odds, strict=True)
                if each.kind in allowed
            ]
        )


def _name(entities: list[tuple[str, NameKind, float]]) -> _Name:
    totals: dict[NameKind, list[float]] = {}
    for _, kind, odds in entities:
        totals.setdefault(kind, []).append(odds)
    likeliest = heapq.nsmallest(MOST_CANDIDATES, entities, key=lambda each: (-each[2], each[0]))
    sums = {kind: math.fsum(odds) for kind, odds in totals.items()}
    total = math.fsum(sums.values())
    return _Name(
        tuple(Named(entity_id, kind, math.log(odds / total)) for entity_id, kind, odds in likeliest),
        tuple(odds for _, _, odds in likeliest),
        sums,
        max(sums) <= CERTAIN,
    )
