"""Events of hits, as lists that were shown: what stood where, what was clicked, and what was judged.

Events of one user of one tenant with one query_id are of one list; those without a query_id, or without a token that
this version reads, are passed over and counted. So are those of programs that play users, unless they are asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from attune.events.v1 import events_pb2 as pb
from attune.services.runtime.origins import is_simulated
from attune.services.search.feedback.events import IRRELEVANT, RELEVANT, TOKEN, VERDICT
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.token import Token

_TYPES = (pb.EVENT_TYPE_IMPRESSION, pb.EVENT_TYPE_CLICK, pb.EVENT_TYPE_FEEDBACK)


@dataclass(frozen=True, slots=True)
class ShownList:
    """One list, its hits in the order of their positions."""

    user: str
    session: str
    tokens: Sequence[Token]
    chosen: Sequence[bool]
    """Clicked, or judged relevant, and not judged irrelevant."""
    rejected: Sequence[bool]
    """Judged irrelevant."""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """Lists by the events, and how many events were passed over."""

    lists: tuple[ShownList, ...]
    skipped: int = 0
    """They have no token that this version reads."""
    without_list: int = 0
    """They have no query_id."""
    simulated: int = 0
    """They are a program's."""


@dataclass
class _List:
    session: str
    hits: dict[int, Token] = field(default_factory=dict)
    clicked: set[int] = field(default_factory=set)
    judged: dict[int, str] = field(default_factory=dict)


def lists_of(events: Iterable[pb.InteractionEvent], *, simulated: bool = False) -> Read:
    """The lists in the order of their first events. What was clicked or judged was shown as well."""
    lists: dict[tuple[str, str, str], _List] = {}
    skipped = without_list = played = 0
    for event in events:
        if event.type not in _TYPES or (event.type == pb.EVENT_TYPE_FEEDBACK and TOKEN not in event.attributes):
            continue
        if is_simulated(event) and not simulated:
            played += 1
            continue
        if not event.query_id:
            without_list += 1
            continue
        try:
            token = Token.decoded(event.attributes.get(TOKEN, ""))
        except RankerError:
            skipped += 1
            continue
        found = lists.setdefault((event.tenant_id, event.user_id, event.query_id), _List(event.session_id))
        _add(found, event, token)
    made = tuple(_shown(tenant, user, each) for (tenant, user, _), each in lists.items())
    return Read(made, skipped, without_list, played)


def _add(found: _List, event: pb.InteractionEvent, token: Token) -> None:
    found.hits.setdefault(token.position, token)
    if event.type == pb.EVENT_TYPE_CLICK:
        found.clicked.add(token.position)
    elif event.type == pb.EVENT_TYPE_FEEDBACK:
        found.judged[token.position] = event.attributes[VERDICT]


def _shown(tenant: str, user: str, found: _List) -> ShownList:
    places = sorted(found.hits)
    verdicts = [found.judged.get(place, RELEVANT if place in found.clicked else "") for place in places]
    return ShownList(
        user,
        found.session,
        [found.hits[place] for place in places],
        [verdict == RELEVANT for verdict in verdicts],
        [verdict == IRRELEVANT for verdict in verdicts],
        tenant,
    )
