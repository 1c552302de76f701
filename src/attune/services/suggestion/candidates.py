"""Queries that might come next, written without a language model: from entities and from retrieved documents."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, Situation, normalised

MAX_CANDIDATES = 48
_MAX_WORDS = 12
_JOINED_WORDS = 4
_TITLES = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A query that might come next, and where it comes from."""

    text: str
    rationale: str
    about: str
    """What decides whether it fits the context: of "run tasks asyncio" it is "asyncio", the rest being the context."""
    entity: KnownEntity | None = None
    """The entity that it brings in; None where it only follows from the documents."""
    document_rank: int | None = None
    """One-based rank of the document that it is the title of."""


def candidates(situation: Situation) -> list[Candidate]:
    """At most MAX_CANDIDATES distinct candidates; none repeats a query of this session."""
    asked = {normalised(text) for text in (situation.query, *situation.previous_queries)}
    return list(_first(_distinct(chain(_of_entities(situation), _of_titles(situation)), asked), MAX_CANDIDATES))


def _of_entities(situation: Situation) -> Iterator[Candidate]:
    for entity in situation.entities:
        reason = _reason(entity)
        text = f"{situation.query} {entity.label}" if _can_join(situation.query, entity) else entity.label
        yield Candidate(text, reason, entity.label, entity)


def _of_titles(situation: Situation) -> Iterator[Candidate]:
    for rank, title in enumerate(situation.titles[:_TITLES], start=1):
        if title and len(title.split()) <= _MAX_WORDS:
            yield Candidate(title, "It answers what you asked.", title, document_rank=rank)


def _reason(entity: KnownEntity) -> str:
    """Why this entity, in a sentence for the user. From this user's store; of others, only that they are many."""
    times = "once" if entity.count == 1 else f"{entity.count} times"
    when = f", last on {entity.last_seen:%-d %B %Y}" if entity.last_seen else ""
    match entity.mode:
        case Mode.FAMILIAR:
            return f"You came across {entity.label} {times}{when}."
        case Mode.LAPSED:
            return f"You came across {entity.label} {times}, but not lately{when}."
        case Mode.NEIGHBOUR if entity.via_users:
            return f"Others who care about {entity.via_label}, which you know, care about {entity.label} too."
        case Mode.NEIGHBOUR:
            return f"{entity.label} is close to {entity.via_label}, which you know."
        case Mode.UNFAMILIAR:
            return f"{entity.label} belongs to what you asked, and is new to you."


def _can_join(query: str, entity: KnownEntity) -> bool:
    """A long query with one more word is no new query, and neither is one that names the entity already."""
    return 0 < len(query.split()) <= _JOINED_WORDS and normalised(entity.label) not in normalised(query)


def _distinct(found: Iterable[Candidate], asked: set[str]) -> Iterator[Candidate]:
    seen = set(asked)
    for candidate in found:
        key = normalised(candidate.text)
        if key and key not in seen:
            seen.add(key)
            yield candidate


def _first(found: Iterator[Candidate], limit: int) -> Iterator[Candidate]:
    for _, candidate in zip(range(limit), found, strict=False):
        yield candidate
