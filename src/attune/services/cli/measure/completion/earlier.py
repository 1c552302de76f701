"""The queries of others up to a moment, as statistics: what a count would have told just then."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.file import folded_prefix
from attune.services.suggestion.queries.model import Counted
from attune.services.suggestion.queries.sessions import SESSION

MOST_LETTERS = 10
"""Of the longest prefix that is looked up here."""
_Users = dict[str, set[str]]


@dataclass(slots=True)
class Earlier:
    """All that was asked until now; grows as time goes on."""

    link: Callable[[str], Sequence[str]]
    k: int
    users: _Users = field(default_factory=lambda: defaultdict(set))
    """Who asked a text."""
    following: dict[str, _Users] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """Who asked another one next, by the first text."""
    _texts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _last: dict[str, Asked] = field(default_factory=dict)

    def add(self, asked: Asked) -> None:
        """Take what a user asks now."""
        text, user = normalised(asked.text), asked.user.user
        self.users[text].add(user)
        for letters in range(min(len(text), MOST_LETTERS) + 1):
            self._texts[text[:letters]].add(text)
        last = self._last.get(user)
        if last is not None and asked.at - last.at <= SESSION and (first := normalised(last.text)) != text:
            self.following[first][text].add(user)
        self._last[user] = asked

    def without(self, user: str) -> "OfOthers":
        """As others than this user asked."""
        return OfOthers(self, user)

    def beginning(self, prefix: str) -> Iterable[str]:
        """All texts that begin so, by whomever."""
        return self._texts.get(prefix, ())


class OfOthers:
    """What others than one user asked. Implements model.QueryStatistics, as far as completion asks."""

    vectors_by = ""

    def __init__(self, earlier: Earlier, user: str) -> None:
        self._earlier = earlier
        self._user = user

    @property
    def total(self) -> int:
        return sum(self.users_of(text) > 0 for text in self._earlier.users)

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:
        return self._most(self._earlier.following.get(normalised(query), {}), limit)

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:
        wanted = set(entity_ids)
        named = [text for text in self._earlier.users if not wanted.isdisjoint(self._earlier.link(text))]
        return self._most({text: self._earlier.users[text] for text in named}, limit)

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:
        found = self._earlier.beginning(folded_prefix(prefix))
        return self._most({text: self._earlier.users[text] for text in found}, limit)

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:
        wanted = {normalised(each) for each in words}
        found = [text for text in self._earlier.users if not wanted.isdisjoint(text.split())]
        return self._most({text: self._earlier.users[text] for text in found}, limit)

    def users_of(self, query: str) -> int:
        return self._number(self._earlier.users.get(normalised(query), set()))

    def _most(self, users: _Users, limit: int) -> list[Counted]:
        counts = sorted((-self._number(asking), text) for text, asking in users.items())
        return [Counted(text, -count, tuple(self._earlier.link(text))) for count, text in counts[:limit] if count]

    def _number(self, users: set[str]) -> int:
        others = len(users) - (self._user in users)
        return others if others >= self._earlier.k else 0
