"""What the index refuses, as callers hear of it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from attune.services.runtime.errors import RETRY_S, ServiceError, failed_precondition
from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError, SearchIndexError
from attune.services.search.index.generations import GenerationError, LogBehindError

T = TypeVar("T")
_REASONS: dict[type[SearchIndexError], str] = {
    IndexMismatchError: "INDEX_MISMATCH",
    LogBehindError: "LOG_BEHIND",
    GenerationError: "GENERATION",
}


def tells_of_the_index(servicer: type[T]) -> type[T]:
    """A servicer whose RPCs end with a status where the index refuses."""
    for name, method in list(vars(servicer).items()):
        if name[0].isupper():
            setattr(servicer, name, _told(method))
    return servicer


def _told(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def told(*arguments: Any) -> Any:
        try:
            return await method(*arguments)
        except SearchIndexError as error:
            raise _refusal(error) from error

    return told


def _refusal(error: SearchIndexError) -> Exception:
    if isinstance(error, IndexUnavailableError):
        return ServiceError(grpc.StatusCode.UNAVAILABLE, "INDEX_UNAVAILABLE", str(error), retry_after_s=RETRY_S)
    reason = next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), None)
    return failed_precondition(reason, str(error)) if reason else error
