"""The first batches, before anybody waits for one: they prepare the products, and show how fast they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from attune.embeddings.embedder import Embedder, Prepared
from attune.embeddings.items import EmbedItem
from attune.embeddings.workers.cores import Cores

_LENGTHS = (8, 16, 32, 64, 128, 256)
_ROUNDS = 3
_FULL_ROUNDS = 1
"""A full batch takes half a second of two cores, and differs little from one time to the next."""
_WORTHWHILE = 1.25
"""The speed-up that a batch must gain from all cores: less is gone as soon as a second batch or a request comes."""


@dataclass(frozen=True, slots=True)
class Warmth:
    """What the first batches showed."""

    cores: Cores
    tokens_per_second: float


def warm_up(embedder: Embedder, clock: Callable[[], float]) -> Warmth:
    """Compute texts of several lengths alone, with one core and with all, and a full batch.

    A GPU has one thread that hands it batches.
    """
    timer = _Timer(embedder, clock)
    count = torch.get_num_threads() if embedder.device == "cpu" else 1
    cores = Cores(count, _alone_tokens(timer, count))
    Cores.use(count)
    full = timer.texts(128, max(1, embedder.batch_tokens // 128))
    return Warmth(cores, sum(text.token_count for text in full) / timer.seconds(full, _FULL_ROUNDS))


def _alone_tokens(timer: "_Timer", count: int) -> int:
    """From how many tokens on a single batch is faster by all cores."""
    for length in _LENGTHS:
        text = timer.texts(length, 1)
        Cores.use(1)
        one = timer.seconds(text)
        Cores.use(count)
        if one > _WORTHWHILE * timer.seconds(text):
            return length
    return 2 * _LENGTHS[-1]


class _Timer:
    """Times batches of made-up texts."""

    def __init__(self, embedder: Embedder, clock: Callable[[], float]) -> None:
        self._embedder = embedder
        self._clock = clock

    def texts(self, length: int, count: int) -> list[Prepared]:
        """Texts of about so many tokens."""
        prepared = self._embedder.prepare([EmbedItem(" ".join(["word"] * (length - 2)))] * count)
        return [each for each in prepared if isinstance(each, Prepared)]

    def seconds(self, texts: Sequence[Prepared], rounds: int = _ROUNDS) -> float:
        """The best time of so many rounds, after one that prepares the products."""
        times = []
        for _ in range(rounds + 1):
            started = self._clock()
            self._embedder.compute(texts)
            times.append(self._clock() - started)
        return max(min(times[1:]), 1e-9)
