"""Feedback on a search, made conveniently."""

import uuid
from collections.abc import Sequence
from typing import Any

from attune.search.v1 import search_pb2 as pb

_VERDICTS = {"relevant": pb.VERDICT_RELEVANT, "irrelevant": pb.VERDICT_IRRELEVANT}
_PLACEMENTS = {"pinned": pb.PLACEMENT_PINNED, "rejected": pb.PLACEMENT_REJECTED, "none": pb.PLACEMENT_NONE}


def feedback(  # noqa: PLR0913 - one parameter a field
    user: str,
    *,
    session: str = "",
    document: str = "",
    verdict: str = "",
    placement: str = "",
    not_about: Sequence[str] | None = None,
    part: str = "",
    replacement: str = "",
    query_id: str = "",
    hit_token: str = "",
    simulated: bool = False,
    request_id: str = "",
) -> pb.SubmitFeedbackRequest:
    """What a user says of a search, for `Client.submit_feedback`. Without a `request_id` it gets a random one.

    Args:
        user: the user.
        session: the visit; a correction holds in it.
        document: what the verdict or the placement is on.
        verdict: "relevant" or "irrelevant".
        placement: "pinned", "rejected" or "none".
        not_about: entities that the user does not mean; an empty list: what the document is about.
        part: words of the query, or of a turn before it, that are wrong.
        replacement: what to search for instead of them.
        query_id: the search that this is about.
        hit_token: the token of the hit, so that a ranker can learn from it.
        simulated: whether a program plays the user.
        request_id: the same one counts once.

    Raises:
        ValueError: there is no such verdict or placement, or more than one correction.
    """
    _require_known("verdict", verdict, _VERDICTS)
    _require_known("placement", placement, _PLACEMENTS)
    if sum((bool(placement), not_about is not None, bool(part or replacement))) > 1:
        raise ValueError("placement, not_about and part are corrections of different stages: send them one by one")
    request = pb.SubmitFeedbackRequest(
        request_id=request_id or uuid.uuid4().hex,
        user_id=user,
        session_id=session,
        query_id=query_id,
        document_id=document,
        verdict=_VERDICTS.get(verdict, pb.VERDICT_UNSPECIFIED),
        not_about=pb.SubjectCorrection(entity_ids=not_about) if not_about is not None else None,
        query=pb.QueryCorrection(part=part, replacement=replacement) if part or replacement else None,
        source=pb.FEEDBACK_SOURCE_SIMULATED if simulated else pb.FEEDBACK_SOURCE_PERSON,
        hit_token=hit_token,
    )
    if placement:
        request.placement = _PLACEMENTS[placement]
    return request


def _require_known(name: str, value: str, known: dict[str, Any]) -> None:
    if value and value not in known:
        raise ValueError(f"{name} is {value!r}: give one of {', '.join(known)}")
