"""The bench's side of the worker."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.processes import Child, child

_COMMAND = (sys.executable, "-m", "attune.services.cli.measure.embedding.local.worker")


@dataclass(frozen=True)
class LocalModel:
    """The model that everybody serves, as the worker found it."""

    directory: Path
    revision: str
    precision: str
    """fp32 or bf16: ours, or that of our attention where products are in int8. The ceiling is measured in it."""
    has_reference: bool
    """Whether sentence-transformers is installed."""


class Local:
    """Asks the worker; blocks until it has answered."""

    def __init__(self, process: Child) -> None:
        self._process = process
        self._last: tuple[tuple[Load, int, int], list[str]] | None = None
        said = self._answer()
        self.model = LocalModel(**{**said, "directory": Path(said["directory"])})

    def texts(self, load: Load, count: int, seed: int) -> list[str]:
        """`count` distinct texts of a load, their lengths verified with the tokenizer; the same for the same seed."""
        key = (load, count, seed)
        if self._last is None or self._last[0] != key:  # server after server asks for the same
            self._last = key, list(self._ask("texts", load=load, count=count, seed=seed))
        return self._last[1]

    def speed(self, engine: str, texts: Sequence[str], seconds: float) -> dict[str, float]:
        """Throughput of an engine on the texts, for at least so many seconds, beside the matrix-product ceiling."""
        return dict(self._ask("speed", engine=engine, texts=texts, seconds=seconds))

    def mixed(self, texts: Sequence[str], weights: Sequence[float], seed: int, seconds: float) -> dict[str, float]:
        """Throughput of a mixture of as many experts as weights, beside that of one expert, by turns."""
        return dict(self._ask("mixed", texts=texts, weights=weights, seed=seed, seconds=seconds))

    def vectors(self, engine: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, d] by an engine."""
        return np.asarray(self._ask("vectors", engine=engine, texts=texts), np.float32)

    def _ask(self, do: str, **arguments: Any) -> Any:
        self._process.write_line(json.dumps({"do": do, "with": arguments}))
        return self._answer()

    def _answer(self) -> Any:
        answer = json.loads(self._process.read_line())
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer["value"]


@contextmanager
def local_worker(work: Path, precision: str) -> Iterator[Local]:
    """The worker, with the model loaded in a precision: the server's, which chose by a measurement of its own.

    Raises:
        BenchError: the model cannot be loaded.
    """
    with child("the in-process worker", _COMMAND, {"ATTUNE_PRECISION": precision}, work / "local.log") as process:
        yield Local(process)
