"""The schema beside `attune` in which a store is built anew, and statements about it.

Statements name `attune.`; on the connections of a shadow, cursors read that as `attune_shadow.`. A search path would be
shorter, but is a setting of the session, which a pooler in front of the server does not keep.
"""

import re
from functools import lru_cache
from typing import Any

import psycopg

SHADOW = "attune_shadow"
_LIVE = re.compile(r"\battune\b")


@lru_cache(maxsize=256)
def in_shadow(statement: str) -> str:
    """The statement about the shadow's tables."""
    return _LIVE.sub(SHADOW, statement)


class ShadowCursor(psycopg.Cursor[Any]):
    """A cursor whose statements are about the shadow."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return super().execute(in_shadow(query), *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        super().executemany(in_shadow(query), *args, **kwargs)


class ShadowServerCursor(psycopg.ServerCursor[Any]):
    """The same for a cursor that streams."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return super().execute(in_shadow(query), *args, **kwargs)
