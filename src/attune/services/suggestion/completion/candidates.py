"""What a text may become: queries of many users, what others asked next, the user's own entities, titles."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from attune.services.suggestion.completion.person import Person
from attune.services.suggestion.completion.typos import SHORTEST, corrected, is_near
from attune.services.suggestion.known import Source, normalised, visible
from attune.services.suggestion.queries.model import Counted, QueryStatistics

_PER_LIMIT = 4
"""So many times as many are looked at as are wanted: order is personal, and some are screened or removed."""
_MOST_LOOKED_AT = 64
_MAX_WORDS = 12
_CORRECTIONS = 3
_BY_ALIAS = 0.8
"""Whoever types another name of an entity means it a little less surely than who types its own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may be meant."""

    text: str
    source: Source
    quality: float
    """How well it fits what was typed: 1 where it begins with it."""
    users: int = 0
    """How many asked it; 0 where that is not told."""
    followed: float = 0.0
    """The share of those who asked the session's last query that asked this next."""
    entity_ids: tuple[str, ...] = ()


def candidates(
    typed: str, statistics: QueryStatistics, person: Person, titles: Sequence[str], limit: int
) -> list[Candidate]:
    """All that `typed` (as file.folded_prefix makes it) may become, each text once, in no order."""
    wanted = min(_MOST_LOOKED_AT, limit * _PER_LIMIT)
    if not typed:
        own = [each.label for each in person.entities]
        found = [*_asked(statistics.beginning("", wanted), 1.0), *_entities(person, lambda text: float(text in own))]
        return _merged([*found, *_following("", statistics, person, wanted)])
    begins = _quality_at_words(typed)
    found = [
        *_asked(statistics.beginning(typed, wanted), 1.0),
        *_following(typed, statistics, person, wanted),
        *_entities(person, begins),
        *_titles(titles, begins),
    ]
    if not found and len(typed) >= SHORTEST:
        found = list(_corrected(typed, statistics, person, wanted))
    return _merged(each for each in found if normalised(each.text) != typed.strip())


def _asked(counted: Iterable[Counted], quality: float) -> Iterator[Candidate]:
    for each in counted:
        yield Candidate(each.text, Source.OTHER_USERS, quality, each.users, 0.0, each.entity_ids)


def _following(typed: str, statistics: QueryStatistics, person: Person, wanted: int) -> Iterator[Candidate]:
    """What others asked after the session's last query, and begins so."""
    if not person.session:
        return
    last = person.session[-1]
    asked = statistics.users_of(last)
    for each in statistics.next_after(last, wanted) if asked else ():
        if normalised(each.text).startswith(typed):
            users = statistics.users_of(each.text)
            yield Candidate(each.text, Source.OTHER_USERS, 1.0, users, each.users / asked, each.entity_ids)


def _entities(person: Person, quality: Callable[[str], float]) -> Iterator[Candidate]:
    """By whatever name it is typed, an entity is offered by its label, under which it is searched for."""
    for each in person.entities:
        by_alias = (_BY_ALIAS * quality(alias) for alias in each.aliases)
        if fits := quality(each.label) or max(by_alias, default=0.0):
            yield Candidate(each.label, Source.ENTITY, fits, entity_ids=(each.entity_id,))


def _titles(titles: Iterable[str], quality: Callable[[str], float]) -> Iterator[Candidate]:
    for each in titles:
        if len(each.split()) <= _MAX_WORDS and (fits := quality(each)):
            yield Candidate(each, Source.DOCUMENT, fits)


def _quality_at_words(typed: str) -> Callable[[str], float]:
    """1 for a text that begins with what was typed, less where a later word does, else 0."""
    at_a_word = re.compile(rf"(?<!\w){re.escape(typed)}")

    def quality(text: str) -> float:
        found = at_a_word.search(normalised(text))
        if found is None:
            return 0.0
        return 0.6 if found.start() else 1.0

    return quality


def _corrected(typed: str, statistics: QueryStatistics, person: Person, wanted: int) -> Iterator[Candidate]:
    for variant in corrected(typed, statistics)[:_CORRECTIONS]:
        yield from _asked(statistics.beginning(variant, wanted), 0.3)
    yield from _entities(person, lambda text: 0.3 if is_near(typed, normalised(text)) else 0.0)


def _merged(found: Iterable[Candidate]) -> list[Candidate]:
    """Each text once, with all that is known of it; the first says how it is written and where it comes from."""
    by_text: dict[str, Candidate] = {}
    for each in found:
        key = normalised(each.text)
        held = by_text.setdefault(key, each)
        by_text[key] = replace(
            held,
            text=visible(held.text).strip(),
            quality=max(held.quality, each.quality),
            users=max(held.users, each.users),
            followed=max(held.followed, each.followed),
            entity_ids=tuple(dict.fromkeys((*held.entity_ids, *each.entity_ids))),
        )
    by_text.pop("", None)
    return list(by_text.values())
