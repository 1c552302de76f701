"""A mixture of experts to measure the speed of: copies of the backbone's own blocks, each in memory of its own."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from attune.embeddings.checkpoint import load_encoder
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.precision import Precision


class Mixture:
    """An encoder with as many experts as are asked for."""

    def __init__(self, directory: Path, precision: Precision) -> None:
        self._directory = directory
        self._config = read_model_config(directory)
        self._encoder = Encoder.load(directory, self._config, precision)

    def speed(
        self, token_ids: Sequence[Sequence[int]], weights: Sequence[float], seed: int, seconds: float
    ) -> dict[str, float]:
        """Texts/s through one expert and through `len(weights)`, by turns for at least so many seconds.

        Sequences are spread over the experts by `weights`.
        """
        while self._encoder.experts < len(weights):
            layers = load_encoder(self._directory, self._config.encoder).layers
            self._encoder.add_expert([layer.get_submodule("feed_forward") for layer in layers])
        spread = random.Random(seed)  # noqa: S311 - nothing secret
        experts = spread.choices(range(len(weights)), weights, k=len(token_ids))
        dense, mixed = _by_turns(
            lambda: self._encoder.encode(token_ids), lambda: self._encoder.encode(token_ids, experts), seconds
        )
        texts = len(token_ids)
        return {"dense_texts_per_s": texts / dense, "texts_per_s": texts / mixed, "ratio": dense / mixed}


def _by_turns(one: Callable[[], object], other: Callable[[], object], seconds: float) -> tuple[float, float]:
    """The median time of each, in seconds, after a first call that does not count."""
    one(), other()
    times: tuple[list[float], list[float]] = ([], [])
    ends = time.perf_counter() + seconds
    while not times[0] or time.perf_counter() < ends:
        for work, taken in zip((one, other), times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    return median(times[0]), median(times[1])
