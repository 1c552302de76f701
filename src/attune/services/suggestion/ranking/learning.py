"""Events of what was shown and accepted, as lists to learn from and to judge rankers by.

Events of one user of one tenant with one query_id are of one list; of events without a query_id nobody knows which of
them are of the same list, so they are passed over. Only what was accepted counts for a suggestion. Against one
counts that it was shown and not accepted, above what was accepted: whatever came below may not have
been looked at, and of a list of which nothing was accepted nobody knows why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from attune.events.v1 import events_pb2 as pb
from attune.services.runtime.origins import is_simulated
from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.off_policy import Shown
from attune.services.suggestion.ranking.token import Token
from attune.services.suggestion.ranking.training import Lesson

TOKEN = "suggestion_token"  # noqa: S105 - the name of an attribute
_TYPES = (pb.EVENT_TYPE_SUGGESTION_SHOWN, pb.EVENT_TYPE_SUGGESTION_ACCEPTED)


@dataclass
class _List:
    shown: dict[int, Token] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Learned:
    """Lists by the events, and how many events were passed over."""

    lists: tuple[Shown, ...]
    skipped: int
    """Their tokens are none of this version."""
    without_list: int = 0
    """They have no query_id."""


def lists_of(events: Iterable[pb.InteractionEvent]) -> Learned:
    """The lists that were shown, in the order of their first events. What was accepted was shown as well."""
    lists: dict[tuple[str, str, str], _List] = {}
    skipped = without_list = 0
    for event in events:
        if event.type not in _TYPES or is_simulated(event):
            continue
        if not event.query_id:
            without_list += 1
            continue
        try:
            token = Token.decoded(event.attributes.get(TOKEN, ""))
        except RankerError:
            skipped += 1
            continue
        found = lists.setdefault((event.tenant_id, event.user_id, event.query_id), _List())
        found.shown.setdefault(token.position, token)
        if event.type == pb.EVENT_TYPE_SUGGESTION_ACCEPTED:
            found.accepted.add(token.position)
    made = tuple(_shown(tenant, user, each) for (tenant, user, _), each in lists.items())
    return Learned(made, skipped, without_list)


def _shown(tenant: str, user: str, found: _List) -> Shown:
    places = sorted(found.shown)
    tokens = [found.shown[place] for place in places]
    return Shown(user, tokens, [place in found.accepted for place in places], tenant)


def lessons_of(lists: Sequence[Shown]) -> list[Lesson]:
    """A lesson for each accepted suggestion that others stood above."""
    lessons = []
    for each in lists:
        values = [token.values for token in each.tokens]
        for place, accepted in enumerate(each.accepted):
            above = [values[other] for other in range(place) if not each.accepted[other]]
            if accepted and above:
                lessons.append(Lesson(np.stack([values[place], *above]), 0))
    return lessons
