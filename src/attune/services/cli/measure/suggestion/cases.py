"""What is to be foreseen: each next query of a user, from what came strictly before it.

A user's queries are taken by time, and what is asked several times in a row once. Of users with three of them or more,
each from the third on is a case; the second ones have hardly a history, and are for learning alone. Two texts are one
query where they agree but for case and outer blanks.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.measure.suggestion.logs import Entries, Entry
from attune.services.suggestion.queries.sessions import SESSION

_LEAST = 3
_NAMED = 3
VISIT_S = SESSION.total_seconds()


@dataclass(frozen=True, slots=True)
class Case:
    """A user's queries before a moment, and the next one."""

    user: str
    earlier: tuple[str, ...]
    """Oldest first; the last one is the query that the next one follows."""
    times: tuple[float, ...]
    """When these were asked, in seconds."""
    page: str
    """The title of the last page opened since that query; empty where there is none."""
    target: str
    at: float

    @property
    def query(self) -> str:
        return self.earlier[-1]

    @property
    def is_new(self) -> bool:
        """Whether the user never asked the next one before."""
        return self.target not in self.earlier

    @property
    def is_judged(self) -> bool:
        """Whether it counts, or is for learning alone."""
        return len(self.earlier) >= _LEAST - 1

    @property
    def visit(self) -> tuple[str, ...]:
        """Earlier queries of this visit, without the last: no two in a row are more than half an hour apart."""
        start = len(self.times) - 1
        while start > 0 and self.times[start] - self.times[start - 1] <= VISIT_S:
            start -= 1
        return self.earlier[start:-1]


@dataclass(frozen=True)
class Log:
    """Cases by time of each user, and the closed pool: all distinct queries of these users."""

    cases: tuple[Case, ...]
    pool: tuple[str, ...]
    users: tuple[str, ...]
    entries: tuple[Entry, ...]
    """All queries of all users, the others' too, by time."""


def logs_of(entries: Entries, at_most_users: int, seed: int) -> dict[str, Log]:
    """The cases of each tenant that has any, or of so many of its users at random. Raises CorpusError for none."""
    if not entries.by_tenant:
        raise CorpusError(
            f"{entries.name}: holds no query ({entries.left_out} are left out, of users who were forgotten, do not "
            "allow it, or have removed them); `attune eval suggestion --help` says what is one"
        )
    found = {tenant: _log(of_tenant, at_most_users, seed) for tenant, of_tenant in entries.by_tenant.items()}
    told = {tenant: log for tenant, log in found.items() if log.users}
    if not told:
        raise CorpusError(
            f"{entries.name}: no user asked three queries or more, none of them twice in a row; give a longer log"
        )
    return told


def log_of_one(logs: Mapping[str, Log], name: str) -> Log:
    """That of the only tenant. Raises CorpusError where there are several."""
    if len(logs) > 1:
        raise CorpusError(f"{name}: has queries of {len(logs)} tenants, {_first(logs)}; name one with --tenant")
    return next(iter(logs.values()))


def _first(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:_NAMED]) + (", ..." if len(listed) > _NAMED else "")


def _log(entries: Sequence[Entry], at_most_users: int, seed: int) -> Log:
    asked: dict[str, list[Entry]] = {}
    for each in entries:
        asked.setdefault(each.user, []).append(each)
    sequences = {user: _queries(found) for user, found in asked.items()}
    fit = [user for user, found in sequences.items() if len(found) >= _LEAST]
    if len(fit) > at_most_users:
        chosen = set(random.Random(seed).sample(fit, at_most_users))  # noqa: S311 - no secret
        fit = [user for user in fit if user in chosen]
    cases = [case for user in fit for case in _cases(sequences[user], asked[user])]
    pool = dict.fromkeys(query_of(each.text) for user in fit for each in sequences[user])
    return Log(tuple(cases), tuple(pool), tuple(fit), tuple(each for each in entries if not each.is_page))


def query_of(text: str) -> str:
    """What a query counts by."""
    return text.strip().casefold()


def _queries(entries: Sequence[Entry]) -> list[Entry]:
    found: list[Entry] = []
    for each in entries:
        if not each.is_page and (not found or query_of(found[-1].text) != query_of(each.text)):
            found.append(each)
    return found


def _cases(queries: Sequence[Entry], entries: Sequence[Entry]) -> list[Case]:
    texts, times = [query_of(each.text) for each in queries], [each.at for each in queries]
    return [
        Case(
            user=queries[0].user,
            earlier=tuple(texts[:place]),
            times=tuple(times[:place]),
            page=_page(entries, times[place - 1], times[place]),
            target=texts[place],
            at=times[place],
        )
        for place in range(1, len(texts))
    ]


def _page(entries: Sequence[Entry], after: float, before: float) -> str:
    titles = [each.text for each in entries if each.is_page and after <= each.at < before]
    return titles[-1] if titles else ""
