"""A log replayed in order of time: before each query, its prefixes are completed by what was known until then.

Arms: `popular` is Most Popular Completion (Bar-Yossef and Kraus, WWW 2011), `nobody` the order of attune for nobody in
particular, `personal` that for the user, `another` that for the user's text with another user's entities and session.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from random import Random

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.knowledge_store.retrieval import Mode
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.cli.measure.earlier import MOST_LETTERS, Earlier
from attune.services.suggestion.completion.candidates import candidates
from attune.services.suggestion.completion.ordering import BY_POPULARITY, WEIGHTS, Weights, ordered
from attune.services.suggestion.completion.person import Person
from attune.services.suggestion.known import KnownEntity, normalised
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.model import QueryStatistics
from attune.services.suggestion.queries.sessions import SESSION

ARMS = ("popular", "nobody", "personal", "another")
SHOWN = 10
_OF_A_USER = 64


@dataclass(frozen=True, slots=True)
class Case:
    """A query that a user asked after others, and where the arms had it."""

    user: str
    is_new: bool
    """Whether this user had never asked it."""
    is_known: bool
    """Whether enough others had, so that it could be completed at all."""
    length: int
    """In letters."""
    ranks: dict[str, list[int]] = field(default_factory=dict)
    """By arm, from the first letter on: the place from 1; 0 where it was not among the first."""


class History:
    """What the store and the session tell of each user, as time goes on."""

    def __init__(self, loaded: LoadedCatalog) -> None:
        self._loaded = loaded
        self._knowledge = Knowledge(loaded.catalog, loaded.graph, loaded.linker, MemoryStore())
        self._asked: dict[str, list[Asked]] = defaultdict(list)
        self.link = lru_cache(100_000)(
            lambda text: tuple(dict.fromkeys(mention.entity_id for mention in loaded.linker.link(text)))
        )

    def add(self, asked: Asked, number: int) -> None:
        """Take what a user asks now."""
        self._asked[asked.user.user].append(asked)
        text, at = asked.text, asked.at
        self._knowledge.handle([Interaction(str(number), asked.user, EventKind.QUERY, at, at, user_query=text)], None)

    def has_asked(self, user: str) -> bool:
        """Whether the user has asked anything yet."""
        return bool(self._asked.get(user))

    def has_asked_this(self, user: str, text: str) -> bool:
        """Whether the user has asked this before."""
        return any(normalised(each.text) == normalised(text) for each in self._asked.get(user, ()))

    def person(self, user: UserKey, now: datetime, *, is_of_now: bool = True) -> Person:
        """Who the user is to attune. The session is the half hour before, or that before the last query there was."""
        before = self._asked.get(user.user, [])
        end = now if is_of_now or not before else before[-1].at
        session = [each.text for each in before if end - each.at <= SESSION]
        modes = (Mode.LAPSED, Mode.FAMILIAR)
        found = self._knowledge.retrieve(
            user.tenant, self._knowledge.view(user), (), now=now, modes=modes, limit=_OF_A_USER, loaded=self._loaded
        )
        known = (
            KnownEntity(each.entity_id, self._loaded.catalog[each.entity_id].label, each.mode, each.score)
            for each in found
        )
        return Person.of(known, session)


def replay(asked: Iterable[Asked], loaded: LoadedCatalog, k: int, seed: int) -> Iterator[Case]:
    """The cases of a log: queries of users who had asked something before, other than the same just before."""
    log = sorted(asked, key=lambda each: (each.at, each.user, each.text))
    others = _others(log, seed)
    history = History(loaded)
    earlier = Earlier(history.link)
    last: dict[str, str] = {}
    for number, each in enumerate(log):
        user, text = each.user.user, normalised(each.text)
        if history.has_asked(user) and last[user] != text:
            yield _case(each, text, history, earlier.without(user, k), UserKey(each.user.tenant, others[user]))
        last[user] = text
        history.add(each, number)
        earlier.add(user, each.text, each.at.timestamp())


def _others(log: Sequence[Asked], seed: int) -> dict[str, str]:
    """Of each user another one, drawn at random."""
    users = sorted({each.user.user for each in log})
    Random(seed).shuffle(users)  # noqa: S311 - no secret
    return dict(zip(users, [*users[1:], *users[:1]], strict=True))


def _case(asked: Asked, text: str, history: History, statistics: QueryStatistics, other: UserKey) -> Case:
    persons: dict[str, tuple[Person, Weights]] = {
        "popular": (Person(), BY_POPULARITY),
        "nobody": (Person(), WEIGHTS),
        "personal": (history.person(asked.user, asked.at), WEIGHTS),
        "another": (history.person(other, asked.at, is_of_now=False), WEIGHTS),
    }
    user = asked.user.user
    case = Case(user, not history.has_asked_this(user, text), statistics.users_of(text) > 0, len(text))
    prefixes = [text[:letters] for letters in range(1, min(MOST_LETTERS, len(text) - 1) + 1)]
    for arm, (person, weights) in persons.items():
        case.ranks[arm] = [_rank(text, prefix, statistics, person, weights) for prefix in prefixes]
    return case


def _rank(text: str, prefix: str, statistics: QueryStatistics, person: Person, weights: Weights) -> int:
    found = ordered(candidates(prefix.lstrip(), statistics, person, (), SHOWN), person, weights)[:SHOWN]
    return next((place for place, each in enumerate(found, start=1) if normalised(each.candidate.text) == text), 0)


Measure = Callable[[Case, str], float]


def reciprocal(case: Case, arm: str) -> float:
    """The mean reciprocal rank over the prefixes."""
    ranks = case.ranks[arm]
    return sum(1 / rank for rank in ranks if rank) / len(ranks) if ranks else 0.0


def saved(case: Case, arm: str) -> float:
    """The share of the keys that need not be pressed: the query is taken, by one key, once it is among the first."""
    typed = next((letters for letters, rank in enumerate(case.ranks[arm], start=1) if rank), case.length)
    return max(0.0, 1 - (typed + 1) / case.length)
