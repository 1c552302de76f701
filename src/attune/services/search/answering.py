"""From what was found to the hits of a page, as the session's feedback and the rankings have it."""

from collections.abc import Sequence

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.errors import invalid
from attune.services.search.comparing.plan import Assignment, assign
from attune.services.search.convert import to_message
from attune.services.search.explain import explain
from attune.services.search.feedback.memory import SessionFeedback
from attune.services.search.feedback.mending import Mended
from attune.services.search.ordering import Draw, Ordered, Ordering, Placed
from attune.services.search.ranking.configured import Rankings
from attune.services.search.ranking.token import Method
from attune.services.search.searching import Found, Wish

_METHODS = {
    Method.NOTHING: pb.COMPARISON_METHOD_UNSPECIFIED,
    Method.INTERLEAVING: pb.COMPARISON_METHOD_INTERLEAVING,
    Method.USERS: pb.COMPARISON_METHOD_USERS,
}
_PINNED = "because you pinned it"
_LOWERED = "lower than it would be, as you said that you do not mean this"


def assigned(rankings: Rankings, names: Sequence[str], tenant: str, wish: Wish) -> Assignment:
    """By which rankings to search: those that the caller names, or those of the user and the session.

    Raises:
        ServiceError: INVALID_ARGUMENT, where there is no such ranking.
    """
    for place, name in enumerate(names):
        if problem := rankings.problem(name):
            raise invalid(f"rankings[{place}]", problem)
    if len(names) == 2:
        return Assignment(tuple(names), Method.INTERLEAVING, (names[0], names[1]))
    if names:
        return Assignment(tuple(names))
    comparison = rankings.comparison if wish.personalization > 0 else None
    return assign(comparison, rankings.default, tenant, wish.user, wish.context.session_id)


def ordered(found: Found, draw: Draw, assignment: Assignment, rankings: Rankings, feedback: SessionFeedback) -> Ordered:
    """The list that the user gets."""
    entities = [found.documents[each.fused.id].entity_ids for each in found.ranked]
    return Ordering(found.ranked, entities, rankings.by_name, feedback).whole(draw, assignment, rankings.default)


def hit(placed: Placed, found: Found) -> pb.Hit:
    """A hit, with why it stands there."""
    document = found.documents[placed.ranked.fused.id]
    return pb.Hit(
        document=to_message(document),
        score=placed.score,
        explanation=_explanation(placed),
        entity_ids=document.entity_ids,
        token=placed.token.encoded(),
        ranking=placed.ranking,
    )


def ranking_report(assignment: Assignment) -> pb.RankingReport:
    """By what the hits were put in order."""
    return pb.RankingReport(names=assignment.names, method=_METHODS[assignment.method])


def feedback_report(made: Ordered, hits: Sequence[Placed], mended: Mended) -> pb.SessionFeedbackReport:
    """What the session's feedback did."""
    return pb.SessionFeedbackReport(
        pinned=sum(each.is_pinned for each in hits),
        rejected=made.rejected,
        lowered=made.lowered,
        parts_removed=mended.removed,
        parts_replaced=len(mended.replacements),
    )


def _explanation(placed: Placed) -> pb.Explanation:
    explanation = explain(placed.ranked)
    if placed.parts is not None:
        held = {part.name: part for part in explanation.parts}
        del explanation.parts[:]
        explanation.parts.extend(_part(name, value, held) for name, value in placed.parts.items())
    if placed.lowered:
        explanation.parts.add(name="feedback", contribution=placed.lowered, value=placed.lowered)
        explanation.summary = f"{explanation.summary}; {_LOWERED}"
    if placed.is_pinned:
        explanation.summary = _PINNED
    return explanation


def _part(name: str, contribution: float, held: dict[str, pb.ScorePart]) -> pb.ScorePart:
    """Its rank and score are of the ranking with the same name, where there is one."""
    part = pb.ScorePart(name=name, contribution=contribution)
    if name in held:
        part.value = held[name].value
        if held[name].HasField("rank"):
            part.rank = held[name].rank
    return part
