"""A page of a list as the caller gets it: hits, why they stand there, and how the list came about."""

from attune.search.v1 import search_pb2 as pb
from attune.services.search.comparing.plan import Assignment
from attune.services.search.convert import passage_message, to_message
from attune.services.search.explain import explain
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document
from attune.services.search.listing import NOTHING_LEFT
from attune.services.search.notices import of_empty_domains
from attune.services.search.ordering import Placed
from attune.services.search.paging import Page
from attune.services.search.ranking.rankings import PLAIN
from attune.services.search.ranking.token import Method
from attune.services.search.searching import Found

_METHODS = {
    Method.NOTHING: pb.COMPARISON_METHOD_UNSPECIFIED,
    Method.INTERLEAVING: pb.COMPARISON_METHOD_INTERLEAVING,
    Method.USERS: pb.COMPARISON_METHOD_USERS,
}
_PINNED = "because you pinned it"
_LOWERED = "lower than it would be, as you said that you do not mean this"


def answer(page: Page) -> pb.SearchResponse:
    """A page as the caller gets it."""
    found, order = page.listed.found, page.listed.order
    response = pb.SearchResponse(
        hits=[_hit(placed, document, page.passages.get(document.id)) for placed, document in page.hits],
        next_page_token=page.next_token,
        query_id=page.listed.query_id,
        personalization=_personalization(found, order.assignment),
        timings=pb.SearchTimings(**found.milliseconds),
        notices=[*of_empty_domains(found.empty_domains), *found.notices, *page.notices],
        experts=[
            pb.SearchedExpert(domain=space.domain, weight=space.weight, augmentation=augmentation)
            for space, augmentation in zip(found.spaces, found.augmentations, strict=True)
        ],
        ranking=pb.RankingReport(names=order.assignment.names, method=_METHODS[order.assignment.method]),
    )
    if page.listed.has_feedback:
        response.session_feedback.CopyFrom(_feedback(page))
    if page.listed.is_empty_query:
        response.notices.append(NOTHING_LEFT)
    return response


def _personalization(found: Found, assignment: Assignment) -> pb.PersonalizationReport:
    return pb.PersonalizationReport(
        applied=assignment.names != (PLAIN,) and any(each.personal > 0 or each.history for each in found.ranked),
        weight=found.weight.value,
        reason=found.weight.reason,
        session_weight=found.contexts.session.value,
        session_reason=found.contexts.session.reason,
        history_weight=found.contexts.history.value,
        history_reason=found.contexts.history.reason,
    )


def _hit(placed: Placed, document: Document, passage: Passage | None) -> pb.Hit:
    """A hit, with why it stands there."""
    return pb.Hit(
        document=to_message(document),
        score=placed.score,
        explanation=_explanation(placed),
        entity_ids=document.entity_ids,
        passage=passage_message(document, passage),
        token=placed.token.encoded(),
        ranking=placed.ranking,
    )


def _feedback(page: Page) -> pb.SessionFeedbackReport:
    """What the session's feedback did."""
    order, mended = page.listed.order, page.listed.mended
    return pb.SessionFeedbackReport(
        pinned=sum(placed.is_pinned for placed, _ in page.hits),
        rejected=order.rejected,
        lowered=order.lowered,
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
