"""Queries that might come next, written without a language model, each with why, in a sentence for the user.

They come from what many others asked (after this query; about the user's entities; with words of the query), from
entities and from titles of retrieved documents, in turns, so that none of the sources crowds out another.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, Situation, Source, normalised, visible
from attune.services.suggestion.queries.model import NO_QUERIES, Counted, QueryStatistics
from attune.services.suggestion.ranking.features import NOTHING_ELSE, Facts
from attune.services.suggestion.reasons import TO_USER, reason

MAX_CANDIDATES = 96
_MAX_WORDS = 12
_JOINED_WORDS = 4
_TITLES = 10
_NEXT = 32
_NAMING = 16
_SHARING = 32
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A query that might come next, and where it comes from."""

    text: str
    rationale: str
    source: Source
    facts: Facts = NOTHING_ELSE
    vector: NDArray[np.float32] | None = None
    """Its unit vector [d], where it is known already."""


def candidates(situation: Situation, queries: QueryStatistics = NO_QUERIES) -> list[Candidate]:
    """At most MAX_CANDIDATES distinct candidates; none repeats a query of this session."""
    asked = {normalised(text) for text in (situation.query, *situation.previous_queries)}
    sources = [
        _next(situation, queries),
        _of_entities(situation),
        _of_titles(situation),
        _of_others(situation, queries),
        _lapsed(situation),
    ]
    return _distinct(_in_turns(sources), asked)


def _next(situation: Situation, queries: QueryStatistics) -> Iterator[Candidate]:
    if situation.query.strip():
        for each in queries.next_after(situation.query, _NEXT):
            facts = Facts(each.entity_ids, next_users=each.users, users=queries.users_of(each.text))
            why = "Many who asked what you asked went on with this."
            yield Candidate(each.text, why, Source.OTHER_USERS, facts, each.vector)


def _of_others(situation: Situation, queries: QueryStatistics) -> Iterator[Candidate]:
    labels = {entity.entity_id: entity.label for entity in situation.entities}
    for each in queries.naming(list(labels), _NAMING) if labels else ():
        named = next((labels[entity_id] for entity_id in each.entity_ids if entity_id in labels), "this")
        yield _asked(each, f"Many ask this about {named}.")
    words = _WORD.findall(situation.query.casefold())[:_MAX_WORDS]
    for each in queries.containing(words, _SHARING) if words else ():
        yield _asked(each, "Many ask this, which is close to what you asked.")


def _asked(counted: Counted, why: str) -> Candidate:
    facts = Facts(counted.entity_ids, users=counted.users)
    return Candidate(counted.text, why, Source.OTHER_USERS, facts, counted.vector)


def _of_entities(situation: Situation) -> Iterator[Candidate]:
    for entity in situation.entities:
        text = f"{situation.query} {entity.label}" if _can_join(situation.query, entity) else entity.label
        yield Candidate(text, reason(entity, TO_USER), Source.ENTITY, Facts((entity.entity_id,)))


def _lapsed(situation: Situation) -> Iterator[Candidate]:
    """The user's own topics of before, which need have nothing to do with the context."""
    for entity in situation.own:
        if entity.mode is Mode.LAPSED:
            yield Candidate(entity.label, reason(entity, TO_USER), Source.ENTITY, Facts((entity.entity_id,)))


def _of_titles(situation: Situation) -> Iterator[Candidate]:
    for rank, title in enumerate(situation.titles[:_TITLES], start=1):
        if title and len(title.split()) <= _MAX_WORDS:
            yield Candidate(title, "It answers what you asked.", Source.DOCUMENT, Facts(document_rank=rank))


def _can_join(query: str, entity: KnownEntity) -> bool:
    """A long query with one more word is no new query, and neither is one that names the entity already."""
    return 0 < len(query.split()) <= _JOINED_WORDS and normalised(entity.label) not in normalised(query)


def _in_turns(sources: Iterable[Iterator[Candidate]]) -> Iterator[Candidate]:
    """The first of each, then the second of each, until none has more."""
    left = list(sources)
    while left:
        for source in list(left):
            found = next(source, None)
            if found is None:
                left.remove(source)
            else:
                yield found


def _distinct(found: Iterable[Candidate], asked: set[str]) -> list[Candidate]:
    """Each text once, as it came first, with all that its sources know of it."""
    kept: dict[str, Candidate] = {}
    for candidate in found:
        key = normalised(candidate.text)
        if key in kept:
            kept[key] = _merged(kept[key], candidate)
        elif key and key not in asked and len(kept) < MAX_CANDIDATES:
            text, rationale = visible(candidate.text).strip(), visible(candidate.rationale)
            kept[key] = replace(candidate, text=text, rationale=rationale)
    return list(kept.values())


def _merged(first: Candidate, second: Candidate) -> Candidate:
    one, other = first.facts, second.facts
    facts = Facts(
        entity_ids=tuple(dict.fromkeys((*one.entity_ids, *other.entity_ids))),
        next_users=max(one.next_users, other.next_users),
        users=max(one.users, other.users),
        document_rank=one.document_rank or other.document_rank,
    )
    return replace(first, facts=facts, vector=second.vector if first.vector is None else first.vector)
