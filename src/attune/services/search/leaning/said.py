"""What a user was just told, or asked, or said of themselves: as vectors, never as texts."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
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


Embed = Callable[[Sequence[str], str], Awaitable[Sequence[FloatVector | None]]]
"""Texts, by the expert of a domain; None for one that cannot be embedded."""


class SaidVectors:
    """Vectors of what was said, for the pages and queries that come after it. They go half an hour after their last
    use, and the least lately used where there are many. One a service; only its event loop may call it.
    """

    def __init__(self, embed: Embed, clock: Callable[[], float] = time.monotonic, kept: int = _KEPT) -> None:
        self._embed = embed
        self._clock = clock
        self._most = kept
        self._kept: OrderedDict[bytes, tuple[FloatVector, float]] = OrderedDict()

    async def of(self, tenant: str, text: str, domain: str, space: str) -> FloatVector | None:
        """The unit vector [d] of a text by the expert of `domain`, whose version `space` names."""
        return (await self.all_of(tenant, [text], domain, space))[0] if text else None

    async def all_of(self, tenant: str, texts: Sequence[str], domain: str, space: str) -> list[FloatVector | None]:
        """The same of several texts; those that are new are embedded together."""
        keys = [_digest(tenant, domain, space, text) for text in texts]
        now = self._clock()
        self._expire(now)
        found = {key: self._kept[key][0] for key in keys if key in self._kept}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        made = await self._embed(list(new.values()), domain) if new else ()
        found |= {key: vector for key, vector in zip(new, made, strict=True) if vector is not None}
        for key, vector in found.items():
            self._kept[key] = (vector, now)
            self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return [found.get(key) for key in keys]

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
