"""Rankings that callers may read on in: in memory, for a while, and no more of them than there is room for.

What is kept has ids, scores and the names of entities; neither queries nor statements nor documents' texts.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from attune.services.search.listing import Listed

RANKINGS = 500
MOST_BYTES = 64 << 20
EXPIRY_S = 600.0
_HIT_BYTES, _EVIDENCE_BYTES, _CONTEXT_BYTES = 900, 150, 200
"""About what a hit takes, what an entity of the user adds to it, and what the session or the history does: by
tracemalloc, of rankings of 160 hits. One of nobody has 180 kB for 200 hits, one of a user who is well known twice that.
"""
_NAME_BYTES = 9


@dataclass(slots=True)
class _Kept:
    listed: Listed
    size: int
    used_at: float


class KeptRankings:
    """The rankings of the latest searches: at most `most`, and about `most_bytes` of memory, of which the least lately
    used goes first, and each for so long as it is read on in every `expiry_s` seconds.
    """

    def __init__(
        self,
        most: int = RANKINGS,
        expiry_s: float = EXPIRY_S,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float],
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._expiry_s = expiry_s
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, made_for: str, listed: Listed) -> str:
        """Keep a ranking, without its documents, for the request with that fingerprint; return the name to find it by.

        Where none are kept at all, or it is larger than all that may be kept, the name is empty.
        """
        self._drop_expired()
        size = _size(listed)
        if not self._most or size > self._most_bytes:
            return ""
        name = secrets.token_urlsafe(_NAME_BYTES)
        self._kept[made_for, name] = _Kept(listed.without_documents(), size, self._clock())
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._drop_first()
        return name

    def find(self, made_for: str, name: str) -> Listed | None:
        """The ranking of that name, if it is of that request and still there."""
        self._drop_expired()
        kept = self._kept.get((made_for, name))
        if kept is None:
            return None
        kept.used_at = self._clock()
        self._kept.move_to_end((made_for, name))
        return kept.listed

    def _drop_expired(self) -> None:
        """The least lately used come first."""
        long_ago = self._clock() - self._expiry_s
        while self._kept and next(iter(self._kept.values())).used_at <= long_ago:
            self._drop_first()

    def _drop_first(self) -> None:
        self._bytes -= self._kept.popitem(last=False)[1].size


def _size(listed: Listed) -> int:
    """About how many bytes of memory it takes."""
    ranked = listed.found.ranked
    evidence = sum(len(each.evidence) for each in ranked)
    contexts = sum((each.session is not None) + (each.history is not None) for each in ranked)
    return len(ranked) * _HIT_BYTES + evidence * _EVIDENCE_BYTES + contexts * _CONTEXT_BYTES
