"""A search's ranking, leaned on what the user was just told or asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from attune.services.search.fusion import Fused
from attune.services.search.index.bm25 import terms_of
from attune.services.search.index.port import Candidate, FloatVector, Index, Scope
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.leaned import Step, lean
from attune.services.search.leaning.mixing import Candidates, mixed

_NONE = "there was nothing before this query in the session"
_ABSTAINS = "what was said before is not foreseen to help this query"
_COUNTS = "the query goes on from what was said before"


@dataclass(frozen=True, slots=True)
class FromSession:
    """What the session adds to a document's score, or takes from it; the document's place and cosine beside it."""

    contribution: float
    rank: int
    cosine: float


@dataclass(frozen=True)
class SessionWeight:
    """How much the session counts for this query, why, and what it does to which document."""

    value: float = 0.0
    reason: str = _NONE
    parts: Mapping[str, FromSession] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """A query beside its session: the vectors of both, by one expert, and the documents nearest to the two together."""

    query: FloatVector
    session: FloatVector
    found: Sequence[Candidate]
    space: str | None


async def near(index: Index, scope: Scope, vectors: tuple[FloatVector, FloatVector | None], limit: int) -> Near | None:
    """Look for documents with the query and what was said before it; None where nothing was said, or nothing asked."""
    query, session = vectors
    if session is None or not query.any():
        return None
    found = await asyncio.to_thread(
        index.dense, scope.tenant, mixed(query, session), limit, scope.domains, scope.space, scope.within
    )
    return Near(query, session, found, scope.space)


def found_beside(near_by: Near | None, fused: Sequence[Fused]) -> list[Fused]:
    """The documents that only the session has found: they have no plain score."""
    known = {each.id for each in fused}
    return [Fused(each.id, 0.0, {}, {}) for each in (near_by.found if near_by else ()) if each.id not in known]


async def weigh_session(
    index: Index,
    tenant: str,
    query: str,
    best_words: float,
    near_by: Near | None,
    plain: Mapping[str, float],
    gates: Gates,
    wanted: float,
) -> SessionWeight:
    """What the session does to each of the documents, whose `plain` scores are by id, in the plain order."""
    if near_by is None or not plain:
        return SessionWeight()
    ids = list(plain)
    known = await asyncio.to_thread(index.vectors, tenant, ids, near_by.space)
    nothing = np.zeros(len(near_by.query), np.float32)
    candidates = Candidates(
        np.stack([known.get(each, nothing) for each in ids]), np.array([plain[each] for each in ids])
    )
    asked = Asked(query, len(terms_of(query)), best_words)
    step = lean(asked, near_by.query, candidates, gates, session=near_by.session, wanted=wanted).session
    if step is None or step.weight <= 0:
        return SessionWeight(0.0, _ABSTAINS)
    return SessionWeight(step.weight, _COUNTS, _parts(ids, step))


def _parts(ids: Sequence[str], step: Step) -> dict[str, FromSession]:
    columns = zip(ids, step.parts, step.ranking.ranks, step.ranking.support, strict=True)
    return {each: FromSession(float(part), int(rank), float(cosine)) for each, part, rank, cosine in columns}
