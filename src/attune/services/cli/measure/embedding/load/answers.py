"""What becomes of a request, whatever the protocol."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.errors import BenchError


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The server has no room for it."""
    EXPIRED = "expired"
    """Its deadline passed first."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request, with what the server sent."""

    outcome: Outcome
    payload: bytes

    def vectors_payload(self, server: str) -> bytes:
        """What an answered request brought. Raises `BenchError` where it was not answered."""
        if self.outcome is not Outcome.ANSWERED:
            said = self.payload[:300].decode(errors="replace")
            raise BenchError(f"{server} {self.outcome} a request ({said}): run it alone and look at its log")
        return self.payload


Send = Callable[[bytes, float], Awaitable[Answer]]
"""Sends a request made by `Target.request`, with a timeout in seconds."""


class Target(Protocol):
    """A server as the load generator sees it: requests are made beforehand, so that sending costs the least."""

    def request(self, texts: Sequence[str]) -> bytes:
        """The bytes of a request for the vectors of some texts."""
        ...

    def connect(self) -> AbstractAsyncContextManager[Send]:
        """Open connections that are kept while they are used."""
        ...

    def vectors(self, payload: bytes) -> NDArray[np.float32]:
        """The vectors [n, d] in an answer."""
        ...
