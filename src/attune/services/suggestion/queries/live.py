"""The counted queries of every tenant, as their files are now."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from attune.services.suggestion.queries.file import QueryFile
from attune.services.suggestion.queries.model import NO_QUERIES, QueryStatistics
from attune.services.suggestion.queries.schema import QueriesError, file_of, tenant_of

_log = structlog.get_logger("attune.suggestion.queries")
_LOOK_AGAIN_S = 1.0
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Held:
    statistics: QueryStatistics
    stamp: _Stamp
    looked_at: float


class LiveQueries:
    """Gives who asks the statistics of a tenant. A file is looked at when it is asked for, at most once a second.

    One that was replaced is taken; who holds the statistics of before keeps them. One that is gone means: no queries. A
    new one that cannot be used changes nothing, but in the log.
    """

    def __init__(
        self, directory: Path, clock: Callable[[], float] = time.monotonic, look_again_s: float = _LOOK_AGAIN_S
    ) -> None:
        """Opens what is there.

        Raises:
            QueriesError: one of the files cannot be used.
        """
        self._directory = directory
        self._clock = clock
        self._look_again_s = look_again_s
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        for file in sorted(directory.glob("of-*.sqlite")):
            self._held[tenant_of(file)] = self._told(tenant_of(file), _stamp(file))

    def of(self, tenant: str) -> QueryStatistics:
        """The statistics of a tenant; NO_QUERIES where there are none."""
        held = self._held.get(tenant)
        if held is not None and self._clock() < held.looked_at + self._look_again_s:
            return held.statistics
        with self._lock:
            self._held[tenant] = found = self._looked(tenant)
        return found.statistics

    def _looked(self, tenant: str) -> _Held:
        held = self._held.get(tenant)
        stamp = _stamp(file_of(self._directory, tenant))
        if held is not None and stamp == held.stamp:
            return _Held(held.statistics, stamp, self._clock())
        try:
            return self._told(tenant, stamp)
        except QueriesError as error:
            _log.error("the counted queries are not taken; those before stay", reason=str(error), tenant=tenant)
            return _Held(held.statistics if held is not None else NO_QUERIES, stamp, self._clock())

    def _told(self, tenant: str, stamp: _Stamp) -> _Held:
        """Opened, and said so in the log."""
        if stamp is None:
            return _Held(NO_QUERIES, stamp, self._clock())
        statistics = QueryFile(file_of(self._directory, tenant))
        _log.info("counted queries loaded", tenant=tenant, queries=statistics.total)
        return _Held(statistics, stamp, self._clock())


def _stamp(file: Path) -> _Stamp:
    """What changes with the file; None where there is none."""
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
