"""The queries of a log up to a moment, as a count would have told of them just then: for replays, in memory."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.file import folded_prefix
from attune.services.suggestion.queries.model import Counted
from attune.services.suggestion.queries.sessions import SESSION

_WORD = re.compile(r"\w+")
MOST_LETTERS = 10
"""Of the longest prefix that is looked up here."""
_SESSION_S = SESSION.total_seconds()


class Earlier:
    """Who asked what, and what after what, until now; grows as time goes on.

    Texts are one query where `fold` makes them so.
    """

    def __init__(
        self, link: Callable[[str], Sequence[str]] = lambda _text: (), fold: Callable[[str], str] = normalised
    ) -> None:
        """`link` tells the entities that a text names."""
        self.link = link
        self.fold = fold
        self.users: dict[str, set[str]] = {}
        """Who asked a query."""
        self.shared: set[str] = set()
        """Queries of several users."""
        self._following: dict[str, dict[str, set[str]]] = {}
        self._beginning: dict[str, set[str]] = defaultdict(set)
        self._having: dict[str, set[str]] = defaultdict(set)
        self._naming: dict[str, set[str]] = defaultdict(set)
        self._last: dict[str, tuple[str, float]] = {}

    def add(self, user: str, text: str, at: float) -> None:
        """Take what a user asks now, in seconds."""
        query = self.fold(text)
        if query not in self.users:
            self._index(query)
        users = self.users.setdefault(query, set())
        users.add(user)
        if len(users) > 1:
            self.shared.add(query)
        last, last_at = self._last.get(user, (query, at))
        if at - last_at <= _SESSION_S and last != query:
            self._following.setdefault(last, {}).setdefault(query, set()).add(user)
        self._last[user] = query, at

    def others(self, query: str, user: str) -> int:
        """How many users but this one asked it."""
        users = self.users.get(query, ())
        return len(users) - (user in users)

    def next_by_others(self, query: str, user: str) -> dict[str, int]:
        """How many users but this one asked what right after a query, within half an hour."""
        following = self._following.get(query, {}).items()
        counts = {text: len(users) - (user in users) for text, users in following}
        return {text: count for text, count in counts.items() if count}

    def beginning(self, prefix: str) -> Iterable[str]:
        """Queries with a prefix of MOST_LETTERS at most."""
        return self._beginning.get(prefix, ())

    def having(self, word: str) -> Iterable[str]:
        """Queries with a word."""
        return self._having.get(word, ())

    def naming(self, entity_id: str) -> Iterable[str]:
        """Queries that name an entity."""
        return self._naming.get(entity_id, ())

    def without(self, user: str, least: int) -> "OfOthers":
        """As others than this user asked."""
        return OfOthers(self, user, least)

    def _index(self, query: str) -> None:
        for letters in range(min(len(query), MOST_LETTERS) + 1):
            self._beginning[query[:letters]].add(query)
        for word in _WORD.findall(query):
            self._having[word].add(query)
        for entity_id in self.link(query):
            self._naming[entity_id].add(query)


class OfOthers:
    """What so many others than one user asked. Implements model.QueryStatistics."""

    vectors_by = ""

    def __init__(self, earlier: Earlier, user: str, least: int) -> None:
        self._earlier = earlier
        self._user = user
        self._least = least

    @property
    def total(self) -> int:
        return sum(self.users_of(text) > 0 for text in self._earlier.users)

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:
        return self._most(self._earlier.next_by_others(self._earlier.fold(query), self._user), limit)

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:
        return self._asked((text for each in entity_ids for text in self._earlier.naming(each)), limit)

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:
        return self._asked(self._earlier.beginning(folded_prefix(prefix)), limit)

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:
        return self._asked((text for each in words for text in self._earlier.having(normalised(each))), limit)

    def users_of(self, query: str) -> int:
        users = self._earlier.others(self._earlier.fold(query), self._user)
        return users if users >= self._least else 0

    def _asked(self, texts: Iterable[str], limit: int) -> list[Counted]:
        return self._most({text: self._earlier.others(text, self._user) for text in texts}, limit)

    def _most(self, counts: Mapping[str, int], limit: int) -> list[Counted]:
        enough = sorted((-users, text) for text, users in counts.items() if users >= max(1, self._least))
        return [Counted(text, -users, tuple(self._earlier.link(text))) for users, text in enough[:limit]]
