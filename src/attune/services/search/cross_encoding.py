"""The best documents of the fusion, ordered anew by a cross-encoder, which reads the query and each of them together.

The first n keep their n scores; who gets which is the cross-encoder's to say. So its order is theirs, the others stay
below them, and what it adds to one it takes from another: that is its part of each score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import grpc
import structlog

from attune.services.search.fusion import Fused, Part, best_score
from attune.services.search.gateway import Gateway
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document

_log = structlog.get_logger("attune.search")
RANKING = "cross_encoder"
_READ_CHARACTERS = 4000
"""More of a document than a cross-encoder of 512 tokens reads."""
_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}
NOT_CONFIGURED = (
    "cross_encoder_candidates: no cross-encoder is configured; give ATTUNE_CROSS_ENCODER_PATH of the embedding service "
    "a directory, and start both anew, or leave the field out"
)


@dataclass(frozen=True, slots=True)
class CrossEncoding:
    """Whether there is a cross-encoder, and how many documents it orders in searches that do not say."""

    is_there: bool = False
    candidates: int = 0

    def wanted(self, asked: int | None) -> tuple[int, Sequence[str]]:
        """How many documents it is to order in a search that asks for so many, or does not ask; and what the caller
        should know of it.
        """
        if not self.is_there:
            return 0, [NOT_CONFIGURED] if asked else []
        return self.candidates if asked is None else asked, []


async def cross_encoded(
    gateway: Gateway,
    query: str,
    fused: list[Fused],
    documents: Mapping[str, Document],
    passages: Mapping[str, Passage],
) -> tuple[list[Fused], Sequence[str]]:
    """These documents, the first of a fusion, in the order of the cross-encoder, which reads of a long one the passage
    that answers best. Where it is away or too slow they stay as they are, and a notice says so.
    """
    if not fused:
        return fused, ()
    try:
        scores = await gateway.pair_scores(query, [_text(documents[each.id], passages.get(each.id)) for each in fused])
    except grpc.aio.AioRpcError as error:
        if error.code() not in _AWAY:
            raise
        _log.warning("fused order: the cross-encoder is unavailable", code=error.code().name)
        return fused, [f"the cross-encoder did not answer ({error.code().name}): this is the order without it"]
    return reordered(fused, scores), ()


def reordered(fused: list[Fused], scores: Sequence[float | None]) -> list[Fused]:
    """By falling score, equal ones as they were, those without one last. The fusion's scores stay where they are."""
    best = best_score(fused)
    scored = list(zip(fused, scores, strict=True))
    order = sorted(scored, key=lambda pair: (pair[1] is None, -(pair[1] or 0.0)))
    found = []
    for rank, (place, (each, score)) in enumerate(zip(fused, order, strict=True), start=1):
        gained = (place.score - each.score) / best
        part = Part(RANKING, gained, score or 0.0, rank if score is not None else None)
        found.append(replace(each, added=(*each.added, part)))
    return found


def _text(document: Document, passage: Passage | None) -> str:
    start, end = passage.span if passage else (0, _READ_CHARACTERS)
    return f"{document.title}\n{document.text[start:end]}".strip()
