"""Pages of one ranking: the first page ranks, and the others read on in what was ranked then.

So what is indexed, deleted or clicked meanwhile moves nothing: no document comes twice, and none is passed over that
was found and is still there. A token tells in which kept ranking the page starts, and where; and the marks of all that
was shown. Once the ranking is gone, by a restart or because the token came to another replica or too late, the request
is ranked anew without what was shown, and a notice says so.
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import current_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.paging import decode_token, encode_token, fingerprint
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document
from attune.services.search.kept_rankings import KeptRankings
from attune.services.search.listing import Listed, Lists
from attune.services.search.ordering import Placed
from attune.services.search.wish import Wish

RANKED_ANEW = (
    "page_token: the ranking of the page before is not kept any more; this one was made anew, without what was shown"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_US = 253_402_300_799_000_000  # the last second of the year 9999
_MARK_BYTES = 4
"""Of two documents of one ranking, one in twenty million pairs has the same mark: then one more may be left out, and
only of a ranking that was made anew.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page starts: in which kept ranking of the search of that name, after how many of its documents, and the
    marks of those shown. `until` is when it was ranked first: what the user said later counts for the next search.
    """

    query_id: str
    until: datetime
    ranking: str = ""
    start: int = 0
    shown: bytes = b""

    def token(self, made_for: str) -> str:
        """For the request with that fingerprint."""
        until_us = (self.until - _EPOCH) // _MICROSECOND
        shown = base64.b64encode(self.shown).decode()
        return encode_token([self.query_id, until_us, self.ranking, self.start, shown], made_for)

    @classmethod
    def of(cls, token: str, made_for: str) -> "Place | None":
        """What a token says; None where there is no token.

        Raises:
            ServiceError: INVALID_ARGUMENT for a token that is damaged or was made for another request.
        """
        position = decode_token(token, made_for, _is_place)
        if not position:
            return None
        query_id, until_us, ranking, start, shown = position
        return cls(query_id, _EPOCH + until_us * _MICROSECOND, ranking, start, _marks(shown))


@dataclass(frozen=True, slots=True)
class Page:
    """What a request gets of its list."""

    listed: Listed
    hits: Sequence[tuple[Placed, Document]]
    next_token: str
    """Empty on the last page."""
    notices: Sequence[str] = ()
    passages: Mapping[str, Passage] = field(default_factory=dict)
    """By document id: of long documents, the passage that answers best."""


class Pages:
    """Cuts lists into pages."""

    def __init__(self, lists: Lists, kept: KeptRankings, clock: Clock) -> None:
        self._lists = lists
        self._kept = kept
        self._clock = clock

    async def page(self, request: pb.SearchRequest, wish: Wish) -> Page:
        """The page of a request: the first one, or the one that its token names.

        Raises:
            ServiceError: INVALID_ARGUMENT for a token that is damaged or was made for another request.
        """
        made_for = _made_for(request, wish)
        place = Place.of(request.page_token, made_for)
        if place is None:
            place = Place(request.query_id or uuid.uuid4().hex, self._clock())
            return await self._cut(wish, await self._lists.make(wish, place.query_id, place.until), place, made_for)
        kept = self._kept.find(made_for, place.ranking)
        if kept is not None:
            return await self._cut(wish, kept, place, made_for)
        marks = {place.shown[at : at + _MARK_BYTES] for at in range(0, len(place.shown), _MARK_BYTES)}
        listed = await self._lists.make(wish, place.query_id, place.until, lambda id_: _mark(id_) not in marks)
        page = await self._cut(wish, listed, replace(place, ranking="", start=0), made_for)
        return replace(page, notices=[RANKED_ANEW])

    async def _cut(self, wish: Wish, listed: Listed, place: Place, made_for: str) -> Page:
        """As many as a page has, from a place on; what was deleted since it was ranked is passed over."""
        hits: list[tuple[Placed, Document]] = []
        at = place.start
        while len(hits) < wish.page_size and at < len(listed.order):
            some = listed.order.hits(at, at + wish.page_size - len(hits))
            documents = await self._lists.searcher.documents(wish, [each.ranked.fused.id for each in some])
            hits += [(each, documents[each.ranked.fused.id]) for each in some if each.ranked.fused.id in documents]
            at += len(some)
        passages = await self._lists.searcher.passages(listed.found.vectors, [document for _, document in hits])
        if at >= len(listed.order):
            return Page(listed, hits, "", passages=passages)
        ranking = place.ranking or self._kept.keep(made_for, listed)
        shown = place.shown + b"".join(_mark(document.id) for _, document in hits)
        token = replace(place, ranking=ranking, start=at, shown=shown).token(made_for)
        return Page(listed, hits, token, passages=passages)


def _made_for(request: pb.SearchRequest, wish: Wish) -> str:
    """The fingerprint of all that a request asks, and of who asks, but for the page."""
    asked = pb.SearchRequest()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.page_size = wish.page_size
    return fingerprint(["Search", current_call().tenant, asked.SerializeToString(deterministic=True).hex()])


def _mark(document_id: str) -> bytes:
    return hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=_MARK_BYTES).digest()


def _is_place(position: Any) -> bool:
    match position:
        case [str(), int(until_us), str(), int(start), str(shown)] if bool not in (type(until_us), type(start)):
            return start >= 0 and 0 <= until_us <= _LATEST_US and _is_marks(shown)
    return False


def _is_marks(shown: str) -> bool:
    try:
        return len(_marks(shown)) % _MARK_BYTES == 0
    except (ValueError, binascii.Error):
        return False


def _marks(shown: str) -> bytes:
    return base64.b64decode(shown.encode(), validate=True)
