"""Queries, with what their user was told, asked and read strictly before, and with judgements of documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One query of a user."""

    user: str
    query: str
    grades: Mapping[str, int]
    session: str = ""
    """The last answer of the session or, where there was none, its last query; empty for the first query."""
    histories: Mapping[str, Texts] = field(default_factory=dict)
    """What the user cares about, by the kind of evidence: statements, documents, entities."""
    pool: Texts = ()
    """The ids of the documents to rank; none means the whole corpus."""


@dataclass(frozen=True)
class Passage:
    """A document of a corpus."""

    id: str
    text: str


@dataclass(frozen=True)
class CaseSet:
    """A corpus and its queries. Strangers' sets have nobody's own context, only that of others."""

    name: str
    corpus: Sequence[Passage]
    cases: Sequence[Case]
    is_strangers: bool = False

    @property
    def users(self) -> list[str]:
        """In the order of the cases."""
        return list(dict.fromkeys(case.user for case in self.cases))

    @property
    def kinds(self) -> list[str]:
        """The kinds of history that its users have."""
        return list(dict.fromkeys(kind for case in self.cases for kind in case.histories))

    def others(self, place: int) -> Case:
        """A case of another user, always the same one, about as far in that user's session and history."""
        user, users = self.cases[place].user, list(self._places)
        theirs = self._places[users[(users.index(user) + max(1, len(users) // 5)) % len(users)]]
        return self.cases[theirs[min(self._places[user].index(place), len(theirs) - 1)]]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, case in enumerate(self.cases):
            found.setdefault(case.user, []).append(place)
        return found
