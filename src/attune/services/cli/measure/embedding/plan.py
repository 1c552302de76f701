"""What is to be measured, as the options say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from attune.services.cli.measure.errors import BenchError


class Load(StrEnum):
    """The lengths of the texts, in tokens, special tokens included."""

    Q8 = "q8"
    """Queries of exactly 8."""
    P128 = "p128"
    """Passages of exactly 128."""
    ZIPF = "zipf"
    """Zipf's law between 4 and 256: the n-th shortest length has a weight of 1/n."""


class Peer(StrEnum):
    """What else can be measured in the same run."""

    INFINITY = "infinity"
    SENTENCE_TRANSFORMERS = "sentence-transformers"


@dataclass(frozen=True)
class Plan:
    """The options of one run."""

    loads: Sequence[Load] = tuple(Load)
    concurrency: Sequence[int] = (1, 8, 32, 64)
    against: Sequence[Peer] = ()
    seconds: float = 3.0
    rounds: int = 3
    open_loop: float = 0.7
    """Offered load of the open loop as a share of the closed loop's throughput; 0 leaves it out."""
    overload_s: float = 0.0
    """How long 4x the peak is offered; 0 leaves it out."""
    deadline_s: float = 0.5
    """Of each request under overload."""
    peer_dir: Path = Path()

    @property
    def most_callers(self) -> int:
        """The concurrency at which the peak is measured."""
        return max(self.concurrency)


def parse_loads(text: str) -> tuple[Load, ...]:
    """Loads named with commas between them. Raises `BenchError` for an unknown one."""
    try:
        return tuple(Load(name.strip()) for name in text.split(","))
    except ValueError as error:
        raise BenchError(f"--loads {text}: use names from {', '.join(Load)}, with commas between them") from error


def parse_concurrency(text: str) -> tuple[int, ...]:
    """Numbers of callers with commas between them. Raises `BenchError` for what is no positive whole number."""
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = (0,)
    if min(numbers) < 1:
        raise BenchError(f"--concurrency {text}: use whole numbers from 1 up, with commas between them, as in 1,8,64")
    return numbers
