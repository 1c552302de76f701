"""The keys that an issuer publishes, kept, and asked for again when they are old or one is missing.

Keys rotate: a token may bear the name of a key that was published a moment ago. Anybody can write such a name, so that
it makes us ask at most once in a while. An issuer that is away changes nothing: the keys of before are used, for a day.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import grpc
import structlog

from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.jwks import KeySet, KeySetError, VerifyingKey
from attune.services.runtime.security.web import FetchError, fetch

_log = structlog.get_logger("attune.security")
_PAUSE_S = 10.0
_AT_MOST_S = 24 * 3600.0


class Told(Protocol):
    """Hears of each reading, whether it succeeded."""

    def __call__(self, *, succeeded: bool) -> None: ...


def nobody(*, succeeded: bool) -> None:
    """Where no metrics are."""


Read = Callable[[], bytes]
"""Returns what is published now. Raises OSError or FetchError."""


class PublishedKeys:
    """Keys of one issuer. To be used on one event loop."""

    def __init__(
        self, read: Read, named: str, *, refresh_s: float, clock: Callable[[], float], told: Told = nobody
    ) -> None:
        self._read = read
        self._named = named
        self._refresh_s = refresh_s
        self._clock = clock
        self._told = told
        self._keys: KeySet | None = None
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    def of_file(
        cls, path: Path, *, refresh_s: float, clock: Callable[[], float], told: Told = nobody
    ) -> "PublishedKeys":
        """Keys in a file."""
        return cls(path.read_bytes, f"ATTUNE_JWKS_FILE ({path})", refresh_s=refresh_s, clock=clock, told=told)

    @classmethod
    def at_url(cls, url: str, *, refresh_s: float, clock: Callable[[], float], told: Told = nobody) -> "PublishedKeys":
        """Keys at an address of the web."""
        return cls(lambda: fetch(url), f"ATTUNE_JWKS_URL ({url})", refresh_s=refresh_s, clock=clock, told=told)

    def read_now(self) -> None:
        """Read them before anything waits for them.

        Raises:
            OSError, FetchError, KeySetError: they cannot be had.
        """
        self._take(self._read())

    async def find(self, kid: str, algorithm: str) -> VerifyingKey | None:
        """The key of this name for an algorithm; None where the issuer publishes none.

        Raises:
            ServiceError: UNAVAILABLE, where its keys cannot be had.
        """
        age_s = self._clock() - self._read_at
        if self._keys is None or age_s > _AT_MOST_S:
            await self._ask()
            if self._keys is None or self._clock() - self._read_at > _AT_MOST_S:
                raise ServiceError(
                    grpc.StatusCode.UNAVAILABLE,
                    "KEYS_UNAVAILABLE",
                    "the keys that tokens are judged by cannot be had: try again; the server's log says why",
                    retry_after_s=_PAUSE_S,
                )
        elif age_s > self._refresh_s:
            self._begin_to_ask()  # nobody waits: the keys of before will do
        found = self._keys.find(kid, algorithm)
        if found is None and await self._ask():
            found = self._keys.find(kid, algorithm)
        return found

    async def _ask(self) -> bool:
        """Read them anew, all callers together, unless that was just done. Whether there was anything to wait for."""
        task = self._begin_to_ask()
        if task is None:
            return False
        await asyncio.shield(task)  # a caller that leaves takes it from nobody else
        return True

    def _begin_to_ask(self) -> asyncio.Task[None] | None:
        if self._asking is None or self._asking.done():
            if self._clock() - self._asked_at < _PAUSE_S:
                return None
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._read_anew())
        return self._asking

    async def _read_anew(self) -> None:
        try:
            async with asyncio.timeout(_PAUSE_S):
                self._take(await asyncio.to_thread(self._read))
        except (OSError, FetchError, KeySetError) as error:
            why = str(error) if not isinstance(error, OSError) else error.strerror or type(error).__name__
            self._told(succeeded=False)
            used = "those of before" if self._clock() - self._read_at <= _AT_MOST_S else "none: its tokens are refused"
            _log.warning("keys cannot be read", of=self._named, why=why, used=used)

    def _take(self, content: bytes) -> None:
        self._keys = KeySet.parse(content)
        self._read_at = self._clock()
        self._told(succeeded=True)
