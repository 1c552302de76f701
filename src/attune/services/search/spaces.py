"""Dense retrieval where experts have embedded documents: vectors of different experts are not comparable.

Each expert, at each version, makes a space of its own. The query is embedded once for each space that is worth
searching, its neighbours are found among the documents of that space, and the rankings are merged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attune.services.search.fusion import reciprocal_rank
from attune.services.search.index.port import Candidate

GENERAL = "general"
_MOST_SPACES = 3
_UNLIKELY = 0.02
_LEAST_WEIGHT = 0.1
"""Of the general space: its documents may be of any domain, so its router's probability says little of them."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where documents were embedded: by the expert of `domain`, at a version.

    `key` is what the index knows it by, empty for the general expert; `weight` is how likely the answer is there.
    """

    domain: str
    key: str | None
    weight: float


EVERYTHING = Space(GENERAL, None, 1.0)
"""All documents, where no domain has an expert: there is nothing to tell apart."""


def worth_searching(inhabited: Mapping[str, str], probabilities: Mapping[str, float]) -> list[Space]:
    """The general space, and those of the likeliest experts, at most three, the likeliest first.

    `inhabited` are the experts' domains that have documents, with their spaces' keys; `probabilities` are the router's.
    """
    likely = sorted(inhabited, key=lambda domain: (-probabilities.get(domain, 0.0), domain))
    experts = [
        Space(domain, inhabited[domain], probabilities.get(domain, 0.0))
        for domain in likely[:_MOST_SPACES]
        if probabilities.get(domain, 0.0) >= _UNLIKELY
    ]
    general = Space(GENERAL, "", max(_LEAST_WEIGHT, probabilities.get(GENERAL, 0.0)))
    return sorted([*experts, general], key=lambda space: -space.weight)


def merge(found: Sequence[tuple[Space, Sequence[Candidate]]], limit: int) -> list[Candidate]:
    """One ranking of several spaces' ones: by reciprocal rank, times the space's weight. Scores stay the cosines."""
    weighed = [
        (space.weight * reciprocal_rank(rank), candidate)
        for space, candidates in found
        for rank, candidate in enumerate(candidates, start=1)
    ]
    ordered = sorted(weighed, key=lambda pair: (-pair[0], pair[1].id))
    return [candidate for _, candidate in ordered[:limit]]
