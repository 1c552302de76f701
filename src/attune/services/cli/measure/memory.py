"""Resident memory of a process and its children, from Linux's /proc."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_Sample = TypeVar("_Sample")
_EVERY_S = 0.25
_PROC = Path("/proc")


def resident_mib(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MiB; 0 where there is no /proc."""
    return sum(_kib(each, "VmRSS") for each in _family(pid)) / 1024


def held_mib(pid: int) -> float:
    """The part of it that is no file's: what the kernel cannot drop when it needs room."""
    return sum(_kib(each, "RssAnon") for each in _family(pid)) / 1024


def _family(pid: int) -> Iterator[int]:
    yield pid
    for file in (_PROC / str(pid) / "task").glob("*/children"):
        for child in _read(file).split():
            yield from _family(int(child))


def _kib(pid: int, name: str) -> int:
    lines = _read(_PROC / str(pid) / "status").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _read(file: Path) -> str:
    """What a file of /proc says; nothing where the process has ended meanwhile."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def watch_resident(pid: int, seen: list[float]) -> None:
    """Append the resident memory in MiB to `seen`, a few times a second, until cancelled."""
    while True:
        seen.append(resident_mib(pid))
        await asyncio.sleep(_EVERY_S)


@contextmanager
def watched(read: Callable[[], _Sample], every_s: float) -> Iterator[list[_Sample]]:
    """What is read, each so many seconds: appended in the `with` block, by another thread."""
    samples: list[_Sample] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            samples.append(read())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
