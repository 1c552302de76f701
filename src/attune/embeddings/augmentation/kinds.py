"""The ways to change a query's vector by its tokens."""

from dataclasses import dataclass
from enum import StrEnum


class Augmentation(StrEnum):
    """What is done to a query's vector. All but the last two are LexSemBridge's (arXiv 2508.17858, section 3)."""

    NONE = "none"
    STATISTICAL = "statistical"  # a gate by the query's own tokens, as rare as they are
    LEARNED = "learned"  # a gate by the query's own tokens, as telling as their contexts say
    CONTEXTUAL = "contextual"  # a gate by any tokens that the query brings to mind
    PROBES = "probes"  # towards where passages with the query's tokens are
    TOWER = "tower"  # layers of its own for queries, and probes


@dataclass(frozen=True)
class Influence:
    """What a token did to a query's vector: `weight` is how much it counts, `moved` 1 - cosine with and without it."""

    token: str
    weight: float
    moved: float
