"""Personal ranking: the plain score, what session and history make of it, and the user's affinity to a document.

    score(d) = plain(d) + session(d) + history(d) + w * affinity(d)
    plain(d) = rrf(d) / max rrf, in (0, 1], and what boosts and a cross-encoder add
    affinity(d) = tanh(sum over the user's entities e of d: strength(e) * rarity(e))   in [0, 1)
    rarity(e) = log(1 + n / n_e) / log(1 + n)                         n candidates, n_e of them with e
    w = MOST * wanted * (1 - coverage * (1 - spread)) * (1 - lead)

The formula is ours. History helps vague queries and harms specific ones, so w falls to 0 where the query is made of
names (coverage) that few of the best documents bear (spread): "asyncio.gather" is specific, "kids" is not; and where
one document leads the others by far in the dense ranking (lead). session(d) and history(d) are from leaning/.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from attune.services.search.fusion import Fused, best_score
from attune.services.search.leaning.contexts import Contexts, FromContext
from attune.services.search.person import Acquaintance, Person

MOST = 0.35
"""The largest weight: enough for a document about the user's subject to climb over about ten places."""
NO_CONTEXTS = Contexts()
_BEST = 20
"""How many of the best documents tell how widely the query's names are spread."""
_CLEAR_LEAD = 0.25
"""A lead in cosine at which nothing is left open."""
_WITHHELD = (
    "the user does not allow ranking by what is known of them: this is the plain ranking; SetConsents grants it, where "
    "the user wants that"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """An entity that moved a document, and by how much of the affinity."""

    acquaintance: Acquaintance
    contribution: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document in the personal ranking."""

    fused: Fused
    plain_rank: int
    plain: float
    affinity: float
    personal: float
    """What the affinity adds to the score."""
    evidence: tuple[Evidence, ...]
    session: FromContext | None = None
    """What was said before in the session adds to the score, or takes from it, where it counts."""
    history: FromContext | None = None
    """The same of what the user has read and said."""

    @property
    def score(self) -> float:
        """The sum that the ranking is by."""
        session = self.session.contribution if self.session else 0.0
        history = self.history.contribution if self.history else 0.0
        return self.plain + (session + history) + self.personal


@dataclass(frozen=True, slots=True)
class Weight:
    """How much the user's entities count for this query, and why."""

    value: float
    reason: str


def refusal(person: Person, wanted: float) -> str:
    """Why nothing that is known of the user may count, in a sentence; empty where it may."""
    if wanted <= 0:
        return "no personalization was asked for"
    return _WITHHELD if person.is_withheld else ""


def weigh(person: Person, fused: Sequence[Fused], entities: Sequence[Sequence[str]], wanted: float) -> Weight:
    """The weight of the user's entities for this query.

    Args:
        person: the user's acquaintance with the candidates' entities.
        fused: the candidates in their plain order.
        entities: the entity ids of each candidate.
        wanted: the caller's wish, 1 being the default.
    """
    if reason := refusal(person, wanted):
        return Weight(0.0, reason)
    if not person.acquaintances:
        return Weight(0.0, "the user has met none of these documents' entities")
    lead = min(1.0, _lead(fused) / _CLEAR_LEAD)
    specific = person.query_coverage * (1 - _spread(person.query_entity_ids, entities[:_BEST]))
    value = MOST * wanted * (1 - specific) * (1 - lead)
    if specific >= 0.5:
        return Weight(value, "the query itself names what it wants")
    if lead >= 0.5:
        return Weight(value, "one document answers the query by far the best")
    return Weight(value, "the query leaves open what it wants")


def personal_ranking(
    fused: Sequence[Fused],
    entities: Sequence[Sequence[str]],
    person: Person,
    weight: float,
    contexts: Contexts = NO_CONTEXTS,
) -> list[Ranked]:
    """All candidates by personal score. That the plain winner never leaves the first page, `Ordering` sees to.

    Args:
        fused: the candidates in their plain order.
        entities: the entity ids of each candidate.
        person: the user's acquaintance with them.
        weight: of the affinity, from `weigh`.
        contexts: what session and history add.
    """
    known = [person.acquaintances.keys() & set(ids) for ids in entities]
    holders = Counter(each for ids in known for each in ids)
    best = best_score(fused)
    ranked = []
    for place, (candidate, ids) in enumerate(zip(fused, known, strict=True), start=1):
        evidence = _evidence(ids, person, holders, len(fused)) if ids else ()
        affinity = math.tanh(sum(each.contribution for each in evidence))
        ranked.append(
            Ranked(
                candidate,
                place,
                candidate.plain(best),
                affinity,
                weight * affinity,
                evidence,
                contexts.session.parts.get(candidate.id),
                contexts.history.parts.get(candidate.id),
            )
        )
    ranked.sort(key=lambda each: (-each.score, each.plain_rank))
    return ranked


def _evidence(ids: Iterable[str], person: Person, holders: Counter[str], total: int) -> tuple[Evidence, ...]:
    met = [person.acquaintances[each] for each in ids]
    found = [Evidence(each, each.strength * _rarity(holders[each.entity_id], total)) for each in met]
    return tuple(sorted(found, key=lambda each: (-each.contribution, each.acquaintance.entity_id)))


def _rarity(holders: int, total: int) -> float:
    return math.log(1 + total / holders) / math.log(1 + total)


def _spread(names: frozenset[str], entities: Sequence[Sequence[str]]) -> float:
    """The share of documents that bear one of the names."""
    return sum(not names.isdisjoint(ids) for ids in entities) / len(entities) if entities else 0.0


def _lead(fused: Sequence[Fused]) -> float:
    cosines = sorted((each.scores["dense"] for each in fused if "dense" in each.scores), reverse=True)
    return cosines[0] - cosines[1] if len(cosines) > 1 else 0.0
