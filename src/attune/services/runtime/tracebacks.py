"""Exceptions for the log: what failed and where, without what was said.

The message of an exception of another library may quote what a user wrote. So only messages of attune's own exceptions
are kept, which are written not to, and those of the operating system and of gRPC between roles.
"""

import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

_TELLING = ("attune.", "grpc.")


def without_messages(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: puts the traceback of `exc_info` into the line, as `exception`."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else None
    if given is True:
        error = sys.exception()
    if error is not None:
        event["exception"] = "\n".join(_told(error, set()))
    return event


def _told(error: BaseException, seen: set[int]) -> list[str]:
    """Its lines, those of what it came from first."""
    seen.add(id(error))
    lines: list[str] = []
    origin = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if origin is not None and id(origin) not in seen:
        lines += [*_told(origin, seen), "", "which led to:", ""]
    lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
    lines.append(_headline(error))
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            lines += ["", "of which:", "", *_told(part, seen)]
    return lines


def _headline(error: BaseException) -> str:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name}: {error}" if kind.__module__.startswith(_TELLING) else name
