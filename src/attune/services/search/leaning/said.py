"""What a user was just told, or asked: as a vector, never as a text."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b

from attune.knowledge.v1.context_pb2 import Context
from attune.services.search.index.port import FloatVector

MOST_CHARACTERS = 1000
"""More of an answer tells little more, and takes longer to embed."""
_KEPT = 10_000
_EXPIRY_S = 30 * 60.0


def said(context: Context) -> str:
    """The last answer of the turns or, where the last turn has none, its query; empty without turns."""
    if not context.turns:
        return ""
    last = context.turns[-1]
    return (f"{last.title}\n{last.text}".strip() or last.query.strip())[:MOST_CHARACTERS]


Embed = Callable[[str, str], Awaitable[FloatVector | None]]
"""A text, by the expert of a domain; None where it cannot be embedded."""


class SaidVectors:
    """Vectors of what was said, for the pages and queries that come after it. They go half an hour after their last
    use, and the oldest where there are many. One a service; only its event loop may call it.
    """

    def __init__(self, embed: Embed, clock: Callable[[], float] = time.monotonic, kept: int = _KEPT) -> None:
        self._embed = embed
        self._clock = clock
        self._most = kept
        self._kept: OrderedDict[bytes, tuple[FloatVector, float]] = OrderedDict()

    async def of(self, tenant: str, text: str, domain: str, space: str) -> FloatVector | None:
        """The unit vector [d] of a text by the expert of `domain`, whose version `space` names."""
        if not text:
            return None
        key = _digest(tenant, domain, space, text)
        now = self._clock()
        self._expire(now)
        found = self._kept.pop(key, None)
        vector = found[0] if found else await self._embed(text, domain)
        if vector is not None:
            self._kept[key] = (vector, now)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return vector

    def __len__(self) -> int:
        return len(self._kept)

    def _expire(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if now - self._kept[oldest][1] <= _EXPIRY_S:
                return
            del self._kept[oldest]


def _digest(*parts: str) -> bytes:
    """Each part with its length, so that no two lists of parts are one text."""
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()
