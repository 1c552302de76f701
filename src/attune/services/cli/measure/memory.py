"""Resident memory of a process and its children, from Linux's /proc."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

_EVERY_S = 0.25
_PROC = Path("/proc")


def resident_mib(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MiB; 0 where there is no /proc."""
    return sum(_own_kib(each) for each in _family(pid)) / 1024


def _family(pid: int) -> Iterator[int]:
    yield pid
    for file in (_PROC / str(pid) / "task").glob("*/children"):
        for child in _read(file).split():
            yield from _family(int(child))


def _own_kib(pid: int) -> int:
    lines = _read(_PROC / str(pid) / "status").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


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
