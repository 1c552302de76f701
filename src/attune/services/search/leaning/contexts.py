"""A search's ranking, leaned on what the user was just told or asked, and on what the user has read and said."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from attune.services.search.index.port import FloatVector, Index
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.interests import Known
from attune.services.search.leaning.leaned import Step, lean
from attune.services.search.leaning.mixing import Candidates
from attune.services.search.person import Remembered
from attune.services.search.spaces import Space

NO_SESSION = "there was nothing before this query in the session"
_AFTER_A_TURN = "what was said before in the session counts, and so the history does not"
NO_HISTORY = "nothing is known that the user has read or said, and that could be compared"
_ABSTAINS = "what was said before is not foreseen to help this query"
_COUNTS = "the query goes on from what was said before"
_HISTORY_ABSTAINS = "what the user has read and said is not foreseen to help this query"
_HISTORY_COUNTS = "the query is near what the user has read and said"


@dataclass(frozen=True, slots=True)
class FromContext:
    """What a context adds to a document's score, or takes from it; the document's place and cosine beside it."""

    contribution: float
    rank: int
    cosine: float
    nearest: Remembered | None = None
    """Of the user's history, what the document is nearest to."""


@dataclass(frozen=True)
class ContextWeight:
    """How much a context counts for this query, why, and what it does to which document, by id."""

    value: float
    reason: str
    parts: Mapping[str, FromContext] = field(default_factory=dict)


@dataclass(frozen=True)
class Contexts:
    """Both contexts of a search."""

    session: ContextWeight = field(default_factory=lambda: ContextWeight(0.0, NO_SESSION))
    history: ContextWeight = field(default_factory=lambda: ContextWeight(0.0, NO_HISTORY))

    def without_history(self, reason: str) -> "Contexts":
        """The same where the history must not or cannot count, for that reason."""
        return replace(self, history=ContextWeight(0.0, reason))

    def move(self, document_id: str) -> bool:
        """Whether a document has a part of them."""
        return document_id in self.session.parts or document_id in self.history.parts


@dataclass(frozen=True)
class Question:
    """A query as it is compared: its vector and the session's, by the expert of a space."""

    asked: Asked
    query: FloatVector
    space: Space
    session: FloatVector | None = None


async def weigh_contexts(
    index: Index,
    tenant: str,
    question: Question,
    plain: Mapping[str, float],
    known: Known | None,
    gates: Gates,
    wanted: float,
) -> Contexts:
    """What the contexts do to each of the documents, whose `plain` scores are by id, in the plain order."""
    is_alone = question.session is None and known is None
    if is_alone or not plain or not question.query.any():
        return Contexts()
    ids = list(plain)
    vectors = await asyncio.to_thread(index.vectors, tenant, ids, question.space.key)
    nothing = np.zeros(len(question.query), np.float32)
    candidates = Candidates(
        np.stack([vectors.get(each, nothing) for each in ids]), np.array([plain[each] for each in ids])
    )
    found = lean(
        question.asked,
        question.query,
        candidates,
        gates,
        session=question.session,
        interests=known.interests if known else None,
        wanted=wanted,
    )
    contexts = Contexts()
    if found.session:
        contexts = replace(contexts, session=_weight(ids, found.session, (_ABSTAINS, _COUNTS)))
    if known and found.user:
        weight = _weight(ids, found.user, (_HISTORY_ABSTAINS, _HISTORY_COUNTS), known.remembered)
        return replace(contexts, history=weight)
    return contexts.without_history(_AFTER_A_TURN) if known else contexts


def _weight(
    ids: Sequence[str], step: Step, reasons: tuple[str, str], remembered: Sequence[Remembered] = ()
) -> ContextWeight:
    abstains, counts = reasons
    if step.weight <= 0:
        return ContextWeight(0.0, abstains)
    nearest = [None] * len(ids) if step.nearest is None else [remembered[each] for each in step.nearest]
    columns = zip(ids, step.parts, step.ranking.ranks, step.ranking.support, nearest, strict=True)
    parts = {
        each: FromContext(float(part), int(rank), float(cosine), near) for each, part, rank, cosine, near in columns
    }
    return ContextWeight(step.weight, counts, parts)
