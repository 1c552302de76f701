"""Dense retrieval where experts have embedded documents: vectors of different experts are not comparable.

Each expert, at each version, makes a space of its own. The query is embedded once for each space that is worth
searching, its neighbours are found among the documents of that space, and the rankings are merged.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from attune.services.search.fusion import reciprocal_rank
from attune.services.search.index.port import Candidate

GENERAL = "general"
_MOST_SPACES = 3
_UNLIKELY = 0.02
_UNSEEN = 0.02
"""The share of BM25's hits that a domain without any is given: words may be missing where the meaning is not."""
_LEAST_WEIGHT = 0.1
"""Of the general space: its documents may be of any domain, so the router's probabilities say little of them."""


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

    `inhabited` are the experts' domains that have documents, with their spaces' keys.
    """
    likely = sorted(inhabited, key=lambda domain: (-probabilities.get(domain, 0.0), domain))
    experts = [
        Space(domain, inhabited[domain], probabilities.get(domain, 0.0))
        for domain in likely[:_MOST_SPACES]
        if probabilities.get(domain, 0.0) >= _UNLIKELY
    ]
    elsewhere = 1 - sum(probabilities.get(domain, 0.0) for domain in inhabited)
    general = Space(GENERAL, "", max(_LEAST_WEIGHT, elsewhere))
    return sorted([*experts, general], key=lambda space: -space.weight)


def with_hits(
    probabilities: Mapping[str, float], hits: Mapping[str, float], inhabited: Collection[str] = ()
) -> dict[str, float]:
    """The router's probabilities of domains, given the domains of BM25's hits too: as independent of one another.

    `hits` are by how much each domain has, in any unit. Those of domains that the router does not know are the general
    one's, unless an expert of their own has embedded them (`inhabited`): then the router thinks little of them, but not
    nothing. Without any hits, its word stands.
    """
    total = sum(hits.values())
    if total <= 0:
        return dict(probabilities)
    probabilities = {**dict.fromkeys(set(hits).intersection(inhabited), _UNLIKELY), **probabilities}
    shares = {domain: hits.get(domain, 0.0) / total for domain in probabilities}
    if GENERAL in shares:
        shares[GENERAL] += 1 - sum(shares.values())
    found = {domain: each * (shares[domain] + _UNSEEN) for domain, each in probabilities.items()}
    sum_found = sum(found.values()) or 1.0
    return {domain: each / sum_found for domain, each in found.items()}


def merge(found: Sequence[tuple[Space, Sequence[Candidate]]], limit: int) -> list[Candidate]:
    """One ranking of several spaces' ones: by reciprocal rank, times the space's weight. Scores stay the cosines."""
    weighed = [
        (space.weight * reciprocal_rank(rank), candidate)
        for space, candidates in found
        for rank, candidate in enumerate(candidates, start=1)
    ]
    ordered = sorted(weighed, key=lambda pair: (-pair[0], pair[1].id))
    return [candidate for _, candidate in ordered[:limit]]
