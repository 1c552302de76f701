from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record


@pytest.fixture
def topic() -> str:
    return "events"


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def segment(root: Path, topic: str) -> Path:
    """The first segment file of the only partition."""
    return root / topic / "0" / "00000000000000000000.log"


@pytest.fixture
def read_all(root: Path, topic: str) -> Callable[..., list[Record]]:
    """Read with a fresh log object, so that nothing remembered helps."""

    def read(offset: int = 0) -> list[Record]:
        return LocalEventLog(root).poll(topic, 0, offset, 100_000, 1 << 30, 0)

    return read


@pytest.fixture
def append(root: Path, topic: str, now: datetime) -> Callable[..., list[int]]:
    """Append values with a fresh log object, as a new process would; returns the offsets."""

    def write(*values: bytes, key: bytes = b"k", segment_bytes: int = 1 << 20) -> list[int]:
        log = LocalEventLog(root, segment_bytes=segment_bytes)
        return [p.offset for p in log.append(topic, [Entry(key, value) for value in values], now)]

    return write
