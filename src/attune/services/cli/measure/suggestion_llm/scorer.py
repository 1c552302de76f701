"""A language model's likelihoods of texts, by a process of another environment."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.errors import SettingError

_PROGRAM = Path(__file__).with_name("scorer_process.py")

Score = Callable[[str, Sequence[str]], NDArray[np.float64]]
"""Of texts behind a context: [n, 2], log-likelihood and number of tokens."""


@contextmanager
def scorer(python: Path, model: Path, threads: int) -> Iterator[Score]:
    """Starts the process. Raises SettingError where it does not answer."""
    command = [str(python), str(_PROGRAM), str(model), str(threads)]
    with subprocess.Popen(  # noqa: S603 - what the user names
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:

        def score(context: str, texts: Sequence[str]) -> NDArray[np.float64]:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - they are pipes
            line = ""
            try:
                process.stdin.write(json.dumps({"context": context, "texts": list(texts)}) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                pass  # it has ended, and answers nothing
            if not line:
                raise SettingError(
                    f"--scorer-python: {python} cannot score with {model}; it needs llama-cpp-python and numpy"
                )
            return np.asarray(json.loads(line), np.float64)

        try:
            yield score
        finally:
            process.kill()
