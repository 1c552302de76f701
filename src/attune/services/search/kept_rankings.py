"""Rankings that callers may read on in: in memory, for a while, and no more of them than there is room for.

What is kept has ids, scores and the names of entities; neither queries nor statements nor documents' texts.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from attune.services.search.listing import Listed

RANKINGS = 500
"""A ranking of 200 hits takes about 130 kB."""
EXPIRY_S = 600.0
_NAME_BYTES = 9


@dataclass(slots=True)
class _Kept:
    listed: Listed
    used_at: float


class KeptRankings:
    """The rankings of the latest searches: at most `most`, of which the least lately used goes first, and each for so
    long as it is read on in every `expiry_s` seconds.
    """

    def __init__(self, most: int = RANKINGS, expiry_s: float = EXPIRY_S, *, clock: Callable[[], float]) -> None:
        self._most = most
        self._expiry_s = expiry_s
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, made_for: str, listed: Listed) -> str:
        """Keep a ranking, without its documents, for the request with that fingerprint; return the name to find it by.

        Where none are kept at all, the name is empty.
        """
        self._drop_expired()
        if not self._most:
            return ""
        name = secrets.token_urlsafe(_NAME_BYTES)
        self._kept[made_for, name] = _Kept(listed.without_documents(), self._clock())
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
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
            self._kept.popitem(last=False)
