"""A search's ranking, leaned on what the user was just told or asked, and on what the user has read and said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from attune.services.search.fusion import Fused, best_score, dense_share, reciprocal_rank
from attune.services.search.index.port import FloatVector
from attune.services.search.leaning.gate import Asked
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.interests import Known
from attune.services.search.leaning.leaned import Leaned, Step, lean
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


def weigh_contexts(
    question: Question,
    fused: Sequence[Fused],
    vectors: Mapping[str, FloatVector],
    known: Known,
    gates: Gates,
    wanted: float,
) -> Contexts:
    """What the contexts do to each of the documents, which are in the plain order; `vectors` are theirs in the
    question's space, by id.
    """
    if question.session is None and not known:
        return Contexts()
    ids = [each.id for each in fused]
    candidates = _candidates(fused, vectors, len(question.query))
    found = lean(
        question.asked,
        question.query,
        candidates,
        gates,
        session=question.session,
        statements=known.statements.interests if known.statements else None,
        documents=known.documents.interests if known.documents else None,
        wanted=wanted,
    )
    contexts = Contexts()
    if found.session:
        contexts = replace(contexts, session=_weight(ids, found.session, (_ABSTAINS, _COUNTS)))
    return replace(contexts, history=_history(ids, found, known)) if known else contexts


def _history(ids: Sequence[str], found: Leaned, known: Known) -> ContextWeight:
    """Of the kind of history that counts more."""
    kinds = ((found.statements, known.statements), (found.documents, known.documents))
    steps = [(step, evidence.remembered) for step, evidence in kinds if step and evidence]
    if not steps:
        return ContextWeight(0.0, _AFTER_A_TURN)
    step, remembered = max(steps, key=lambda each: each[0].weight)
    return _weight(ids, step, (_HISTORY_ABSTAINS, _HISTORY_COUNTS), remembered)


def _candidates(fused: Sequence[Fused], vectors: Mapping[str, FloatVector], dimension: int) -> Candidates:
    best, nothing = best_score(fused), np.zeros(dimension, np.float32)
    return Candidates(
        np.concatenate([vectors.get(each.id, nothing) for each in fused]).reshape(len(fused), dimension),
        np.array([each.plain(best) for each in fused]),
        np.array([dense_share(each, best) for each in fused]),
        reciprocal_rank(1) / best,
    )


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
