"""Vector graphs of the embedded engine, built while it serves: in a copy of the shard, by another process.

A graph is due when as many points as may be scanned were written since the last one. It is begun when nothing was
written for some seconds, so that an import gets one and not many; or after half an hour, where writing never ends. What
is written meanwhile is brought into the copy, which then takes the shard's place.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import qdrant_edge as edge
import structlog

from attune.services.search.index.edge import EdgeEngine
from attune.services.search.index.settings import IndexSettings

_log = structlog.get_logger("attune.search")
_QUIET_S = 5.0
_LATEST_S = 1800.0
_BYTES = 4
"""Of a number in a vector."""
_MODULE = "attune.services.search.index.edge_graph_process"


class Place(Protocol):
    """Where the shards of one generation are."""

    def next(self) -> Path:
        """Of the next copy that is to be made."""

    def load(self, path: Path) -> edge.EdgeShard: ...

    def publish(self, points: int) -> None:
        """Let the next start open this copy, whose graph has so many points.

        Raises:
            GenerationError: the generation is gone.
        """


@dataclass(frozen=True)
class Shape:
    """Of the vectors, and how graphs are built of them."""

    dimension: int
    settings: IndexSettings

    @property
    def scanned(self) -> int:
        """So many vectors are scanned rather than put into a graph."""
        return self.settings.scanned_kib * 1024 // (_BYTES * self.dimension)

    def arguments(self) -> list[str]:
        """For the process that builds."""
        return [str(self.dimension), json.dumps(asdict(self.settings))]


class EdgeGraphs:
    """`edge.Graphs`: a thread that sleeps until a graph is due."""

    def __init__(self, engine: EdgeEngine, place: Place, covered: int, shape: Shape) -> None:
        """`covered`: how many points the shard had when its graph was built; 0 where it has none."""
        self._engine = engine
        self._place = place
        self._covered = covered
        self._shape = shape
        self._changed = threading.Condition()
        self._due_since: float | None = None
        self._is_hurried = False
        self._is_closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="attune-graphs", daemon=True)
        self._thread.start()
        self.look()

    def look(self) -> None:
        """Whether a graph is due by now."""
        unknown = max(self._engine.size() - self._covered, self._engine.written)
        with self._changed:
            if unknown > self._shape.scanned and self._due_since is None:
                self._due_since = time.monotonic()
                self._changed.notify_all()

    def settle(self, timeout_s: float) -> bool:
        """Build what is due, without waiting for quiet; whether nothing is due any more."""
        self.look()
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            settled = self._changed.wait_for(lambda: self._due_since is None or self._is_closed, timeout_s)
            self._is_hurried = False
        return settled

    def close(self) -> None:
        """End what is being built; nothing comes of it."""
        with self._changed:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            try:
                self._build()
            except Exception:  # noqa: BLE001 - searches go on as they were, and it is tried again after more writes
                _log.exception("the vector graph was not built: vectors that it lacks are scanned")
            with self._changed:
                self._due_since = None
                self._changed.notify_all()
            self.look()

    def _wait(self) -> bool:
        """Until a graph is to be built; false: until the engine is closed."""
        with self._changed:
            while not self._is_closed:
                left_s = self._left_s()
                if left_s is not None and left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False

    def _left_s(self) -> float | None:
        """None: nothing is due."""
        if self._due_since is None:
            return None
        if self._is_hurried:
            return 0.0
        quiet = self._engine.written_at + _QUIET_S
        return min(quiet, self._due_since + _LATEST_S) - time.monotonic()

    def _build(self) -> None:
        started = time.monotonic()
        path, self._covered = self._place.next(), self._engine.size()
        self._engine.copy_to(path)
        try:
            self._build_in(path)
            shard = self._place.load(path)
            self._engine.replace(shard, path, lambda: self._place.publish(self._covered))
        except BaseException:
            self._engine.forget_copy()
            shutil.rmtree(path, ignore_errors=True)
            if self._is_closed:
                return
            raise
        _log.info("the vector graph was built", points=self._covered, seconds=round(time.monotonic() - started, 1))

    def _build_in(self, path: Path) -> None:
        command = (sys.executable, "-P", "-m", _MODULE, str(path), *self._shape.arguments())
        with self._changed:
            if self._is_closed:
                raise _NotBuiltError
            process = self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        if process.wait():
            raise _NotBuiltError


class _NotBuiltError(RuntimeError):
    """The process ended without having built the graph."""
