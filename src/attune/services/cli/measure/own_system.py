"""A system that a bench starts for itself: the user's settings name engines, which are not the bench's to write to."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attune.services.cli.measure.processes import Child, child

KEPT = frozenset({"ATTUNE_MODEL_PATH", "ATTUNE_PRECISION", "ATTUNE_THREADS", "ATTUNE_DEVICES"})
"""What the encoder computes, and where: nothing is written there."""
_PREFIX = "ATTUNE_"
_COMMAND = (sys.executable, "-c", "from attune.services.cli.main import app; app()", "up", "--json")


@contextmanager
def own_system(name: str, options: Sequence[str], settings: Mapping[str, str], log: Path) -> Iterator[Child]:
    """`attune up` with `settings` and no others but those KEPT. Raises BenchError where it cannot be run."""
    with child(name, (*_COMMAND, *options), settings, log, inherited=without_settings(os.environ)) as process:
        yield process


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without attune's settings, in whatever case they are written, but for those KEPT."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper() in KEPT or not name.upper().startswith(_PREFIX)
    }
