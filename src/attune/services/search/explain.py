"""Why a hit stands where it stands, for a person and for a program."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from attune.search.v1 import search_pb2 as pb
from attune.services.search.fusion import Fused, reciprocal_rank
from attune.services.search.leaning.contexts import FromContext
from attune.services.search.person import Acquaintance, Remembered
from attune.services.search.personal import Evidence, Ranked
from attune.services.search.quotes import RANKING

_MOST_ENTITIES = 5
_WORTH_SAYING = 0.01
"""A personal contribution below this moved nothing that a user would notice."""


def explain(ranked: Ranked) -> pb.Explanation:
    """The parts of a hit's score, the entities behind its personal part, and all of it in a sentence."""
    return pb.Explanation(
        summary=_summary(ranked),
        parts=[*_plain_parts(ranked), *_context_parts(ranked), _personal_part(ranked)],
        entities=[_reason(each) for each in ranked.evidence[:_MOST_ENTITIES]],
        plain_rank=ranked.plain_rank,
        history=_history_reason(ranked.history),
    )


def _summary(ranked: Ranked) -> str:
    """By the entities, if the session does not add more: they say most."""
    session = ranked.session.contribution if ranked.session else 0.0
    history = ranked.history.contribution if ranked.history else 0.0
    if ranked.evidence and ranked.personal >= max(_WORTH_SAYING, session):
        return _because(ranked.evidence[0].acquaintance)
    if session >= max(_WORTH_SAYING, history):
        return "because it goes on from what you were just asking about"
    if history >= _WORTH_SAYING and ranked.history and ranked.history.nearest:
        return _because_near(ranked.history.nearest)
    return _plain_sentence(ranked.fused)


def _because_near(nearest: Remembered) -> str:
    """Without title and words: rankings are kept for their pages, and hold no text."""
    did = "is close to what you read" if nearest.document_id else "fits what you said of yourself"
    return f"because it {did} on {_day(nearest.at)}"


def _plain_sentence(fused: Fused) -> str:
    if RANKING in fused.ranks:
        return "has all the words of your query, and is the first by them"
    means, says = fused.ranks.get("dense"), fused.ranks.get("bm25")
    if means and says:
        return f"matches what your query means (place {means}) and its words (place {says})"
    if means:
        return f"matches what your query means (place {means})"
    if says:
        return f"matches the words of your query (place {says})"
    return "is near what you were just asking about"


def _because(known: Acquaintance) -> str:
    if known.via_users:
        return f"because it is about {known.label}, which others who care about {known.via_label} care about too"
    if known.via_label:
        return f"because it is about {known.label}, which is close to {known.via_label} that you know"
    did = "read about" if known.reads else "searched for"
    count = known.reads or known.searches
    times = "once" if count == 1 else f"{count} times"
    when = f", last on {_day(known.last_seen)}" if known.last_seen else ""
    return f"because you {did} {known.label} {times}{when}"


def _plain_parts(ranked: Ranked) -> list[pb.ScorePart]:
    """The score of the fusion divided among the rankings, as each contributed to it; and what was added to it."""
    shares = {name: reciprocal_rank(rank) for name, rank in ranked.fused.ranks.items()}
    total = sum(shares.values())
    fusion = ranked.plain - sum(part.contribution for part in ranked.fused.added)
    fused = [
        pb.ScorePart(
            name=name,
            contribution=fusion * share / total,
            rank=ranked.fused.ranks[name],
            value=ranked.fused.scores[name],
        )
        for name, share in sorted(shares.items())
    ]
    added = [
        pb.ScorePart(name=part.name, contribution=part.contribution, value=part.value, rank=part.rank)
        for part in ranked.fused.added
    ]
    return fused + added


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y}"


def _context_parts(ranked: Ranked) -> list[pb.ScorePart]:
    """Of those of session and history that count."""
    return [
        pb.ScorePart(name=name, contribution=found.contribution, rank=found.rank, value=found.cosine)
        for name, found in (("session", ranked.session), ("history", ranked.history))
        if found is not None
    ]


def _history_reason(found: FromContext | None) -> pb.HistoryReason | None:
    """None where the history does not lift the document."""
    if found is None or found.nearest is None or found.contribution <= 0:
        return None
    reason = pb.HistoryReason(document_id=found.nearest.document_id)
    reason.at.FromDatetime(found.nearest.at)
    return reason


def _personal_part(ranked: Ranked) -> pb.ScorePart:
    return pb.ScorePart(name="personal", contribution=ranked.personal, value=ranked.affinity)


def _reason(evidence: Evidence) -> pb.EntityReason:
    known = evidence.acquaintance
    reason = pb.EntityReason(
        entity_id=known.entity_id,
        label=known.label,
        count=known.count,
        contribution=evidence.contribution,
        via_label=known.via_label,
    )
    if known.last_seen:
        seen = Timestamp()
        seen.FromDatetime(known.last_seen)
        reason.last_seen.CopyFrom(seen)
    return reason
