"""What a user allows to be done with what they do, purpose by purpose.

What is kept is every choice about learning, and the newest about each other purpose: so consents are a set of choices,
which merge in any order to the same, and a log that is read again leaves out what it left out before. (Of users who
choose about learning more than 64 times, it leaves out all from before the last 64.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from attune.knowledge_store.model import require_utc

MOST_CHOICES = 64
"""About learning. Of more, the newest are kept, and before them nothing counts as allowed."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Purpose(StrEnum):
    """What the store of a user may be used for."""

    LEARNING = "learning"
    """Events add to it. Withdrawn, nothing that happens or is logged from then on does; what is there stays."""
    RANKING = "ranking"
    """Search ranks by it."""
    SUGGESTION = "suggestion"
    """Queries are suggested from it."""
    SUMMARY = "summary"
    """It is put into words, by a language model where one is configured."""
    STATISTICS = "statistics"
    """It is counted among those of many users, which nobody can be told from."""


@dataclass(frozen=True, slots=True, order=True)
class Choice:
    """From `at` on, the purpose is granted or not. Raises ValueError for a time that is not UTC."""

    at: datetime
    purpose: Purpose
    granted: bool

    def __post_init__(self) -> None:
        require_utc(self.at, "at")


@dataclass(frozen=True, slots=True)
class Consents:
    """A user's choices, in order of time. Of two at one moment, the one that grants counts as the later."""

    choices: tuple[Choice, ...] = ()

    @classmethod
    def of(cls, choices: Iterable[Choice]) -> Self:
        """Those that matter of any choices."""
        ordered = sorted(set(choices))
        learning = [choice for choice in ordered if choice.purpose is Purpose.LEARNING]
        rest = {choice.purpose: choice for choice in ordered if choice.purpose is not Purpose.LEARNING}
        return cls(tuple(sorted([*rest.values(), *_bounded(learning)])))

    def merged(self, others: Iterable[Choice]) -> "Consents":
        """With more choices."""
        return Consents.of([*self.choices, *others])

    def newest(self, purpose: Purpose) -> Choice | None:
        """The choice that counts now; None where there is none."""
        return next((each for each in reversed(self.choices) if each.purpose is purpose), None)

    def allow(self, purpose: Purpose, *, default: bool) -> bool:
        """Whether the purpose is granted by the newest choice; `default` where there is none."""
        newest = self.newest(purpose)
        return default if newest is None else newest.granted

    def allowed_learning(self, moment: datetime, *, default: bool) -> bool:
        """Whether learning was granted at that moment."""
        before = (each for each in reversed(self.choices) if each.purpose is Purpose.LEARNING and each.at <= moment)
        return next((each.granted for each in before), default)


NO_CHOICE = Consents()


def _bounded(choices: list[Choice]) -> list[Choice]:
    """The newest MOST_CHOICES. Where that leaves any out, nothing was allowed before the first of them.

    So bounding and merging can come in any order: what is among the newest of all is among the newest of any part.
    """
    made = [choice for choice in choices if choice.at > _BEGINNING]
    if len(made) == len(choices) and len(made) <= MOST_CHOICES:
        return choices
    return [Choice(_BEGINNING, Purpose.LEARNING, False), *made[-MOST_CHOICES:]]
