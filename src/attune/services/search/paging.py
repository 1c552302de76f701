"""Pages of one ranking: the first page ranks, and the others read on in what was ranked then.

So what is indexed, deleted or clicked meanwhile moves nothing: no document comes twice, and none is passed over that
was found and is still there. A token tells in which kept ranking the page starts, and where; and the marks of all that
was shown. Once the ranking is gone, by a restart or because the token came to another replica or too late, the request
is ranked anew without what was shown, and a notice says so.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import current_call
from attune.services.runtime.paging import decode_token, encode_token, fingerprint
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document
from attune.services.search.personal import Ranked
from attune.services.search.rankings import KeptRankings
from attune.services.search.searching import Found, Searcher, Wish

RANKED_ANEW = (
    "page_token: the ranking of the page before is not kept any more; this one was made anew, without what was shown"
)
_MARK_BYTES = 4
"""Of two documents of one ranking, one in twenty million pairs has the same mark: then one more may be left out, and
only of a ranking that was made anew.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page starts: in which kept ranking, after how many of its documents, and the marks of those shown."""

    ranking: str = ""
    start: int = 0
    shown: bytes = b""

    def token(self, made_for: str) -> str:
        """For the request with that fingerprint."""
        return encode_token([self.ranking, self.start, base64.b64encode(self.shown).decode()], made_for)

    @classmethod
    def of(cls, token: str, made_for: str) -> "Place | None":
        """What a token says; None where there is no token.

        Raises:
            ServiceError: INVALID_ARGUMENT for a token that is damaged or was made for another request.
        """
        position = decode_token(token, made_for, _is_place)
        return cls(position[0], position[1], _marks(position[2])) if position else None


@dataclass(frozen=True, slots=True)
class Page:
    """What a request gets of its ranking."""

    found: Found
    hits: Sequence[tuple[Ranked, Document]]
    next_token: str
    """Empty on the last page."""
    notices: Sequence[str] = ()
    passages: Mapping[str, Passage] = field(default_factory=dict)
    """By document id: of long documents, the passage that answers best."""


class Pages:
    """Cuts the rankings of a searcher into pages."""

    def __init__(self, searcher: Searcher, kept: KeptRankings) -> None:
        self._searcher = searcher
        self._kept = kept

    async def page(self, request: pb.SearchRequest, wish: Wish) -> Page:
        """The page of a request: the first one, or the one that its token names.

        Raises:
            ServiceError: INVALID_ARGUMENT for a token that is damaged or was made for another request.
        """
        made_for = _made_for(request, wish)
        place = Place.of(request.page_token, made_for)
        if place is None:
            return await self._cut(wish, await self._searcher.search(wish), Place(), made_for)
        kept = self._kept.find(made_for, place.ranking)
        if kept is not None:
            return await self._cut(wish, kept, place, made_for)
        found = _without(await self._searcher.search(wish), place.shown)
        return replace(await self._cut(wish, found, Place(shown=place.shown), made_for), notices=[RANKED_ANEW])

    async def _cut(self, wish: Wish, found: Found, place: Place, made_for: str) -> Page:
        """As many as a page has, from a place on; what was deleted since it was ranked is passed over."""
        hits: list[tuple[Ranked, Document]] = []
        at = place.start
        while len(hits) < wish.page_size and at < len(found.ranked):
            some = found.ranked[at : at + wish.page_size - len(hits)]
            documents = await self._documents(wish, found, some)
            hits += [(each, documents[each.fused.id]) for each in some if each.fused.id in documents]
            at += len(some)
        passages = await self._searcher.passages(found.vectors, [document for _, document in hits])
        if at >= len(found.ranked):
            return Page(found, hits, "", passages=passages)
        ranking = place.ranking or self._kept.keep(made_for, found)
        shown = place.shown + b"".join(_mark(document.id) for _, document in hits)
        return Page(found, hits, Place(ranking, at, shown).token(made_for), passages=passages)

    async def _documents(self, wish: Wish, found: Found, ranked: Sequence[Ranked]) -> Mapping[str, Document]:
        """Those of a ranking of this moment are at hand."""
        return found.documents or await self._searcher.documents(wish, [each.fused.id for each in ranked])


def _made_for(request: pb.SearchRequest, wish: Wish) -> str:
    """The fingerprint of all that a request asks, and of who asks, but for the page."""
    asked = pb.SearchRequest()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.page_size = wish.page_size
    return fingerprint(["Search", current_call().tenant, asked.SerializeToString(deterministic=True).hex()])


def _without(found: Found, shown: bytes) -> Found:
    marks = {shown[start : start + _MARK_BYTES] for start in range(0, len(shown), _MARK_BYTES)}
    return replace(found, ranked=[each for each in found.ranked if _mark(each.fused.id) not in marks])


def _mark(document_id: str) -> bytes:
    return hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=_MARK_BYTES).digest()


def _is_place(position: Any) -> bool:
    match position:
        case [str(), int(start), str(shown)] if not isinstance(start, bool):
            return start >= 0 and _is_marks(shown)
    return False


def _is_marks(shown: str) -> bool:
    try:
        return len(_marks(shown)) % _MARK_BYTES == 0
    except (ValueError, binascii.Error):
        return False


def _marks(shown: str) -> bytes:
    return base64.b64decode(shown.encode(), validate=True)
