"""The order of completions: a declared formula. Popularity is what Most Popular Completion ranks by (Bar-Yossef and
Kraus, "Context-sensitive query auto-completion", WWW 2011); beside it stands how close a completion is to who types.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from attune.services.suggestion.completion.candidates import Candidate
from attune.services.suggestion.completion.person import Person
from attune.services.suggestion.known import Source


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much. Each is the weight of a number between 0 and 1; they are set by hand."""

    popularity: float = 1.0
    quality: float = 0.5
    entity: float = 0.5
    session: float = 0.5
    followed: float = 1.0


WEIGHTS = Weights()
BY_POPULARITY = Weights(quality=0.0, entity=0.0, session=0.0, followed=0.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """A completion and its score; higher is better."""

    candidate: Candidate
    score: float


def ordered(found: Sequence[Candidate], person: Person, weights: Weights = WEIGHTS) -> list[Scored]:
    """The best first, ties by text."""
    most = math.log1p(max((each.users for each in found), default=0)) or 1.0
    scored = [Scored(each, _score(each, most, person, weights)) for each in found]
    return sorted(scored, key=lambda each: (-each.score, each.candidate.text))


def beginnings(found: Sequence[Candidate], person: Person, limit: int) -> list[Scored]:
    """Where nothing was typed yet: up to half of the places for what the user has to do with, then all others.

    The user's own are in the order of how strongly they are known, and then by score; their scores are raised above
    those of all that come after, so that scores never rise down the list.
    """
    scored = ordered(found, person)
    own = [each for each in scored if each.candidate.source is Source.ENTITY or _is_own(each, person)]
    first = sorted(own, key=lambda each: -person.strength(each.candidate.entity_ids))[: (limit + 1) // 2]
    rest = [each for each in scored if each not in first]
    return _raised(first, rest) + rest


def _raised(first: Sequence[Scored], rest: Sequence[Scored]) -> list[Scored]:
    highest = max((each.score for each in rest), default=0.0)
    return [
        Scored(each.candidate, highest + place) for place, each in zip(range(len(first), 0, -1), first, strict=True)
    ]


def _is_own(scored: Scored, person: Person) -> bool:
    return person.strength(scored.candidate.entity_ids) > 0


def _score(candidate: Candidate, most: float, person: Person, weights: Weights) -> float:
    return (
        weights.popularity * math.log1p(candidate.users) / most
        + weights.quality * candidate.quality
        + weights.entity * person.strength(candidate.entity_ids)
        + weights.session * person.likeness(candidate.text)
        + weights.followed * candidate.followed
    )
