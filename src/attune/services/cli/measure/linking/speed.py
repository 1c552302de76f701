"""How many texts a linker takes in a second of one core."""

import time
from collections.abc import Sequence
from itertools import cycle, islice

from attune.knowledge_store.linking import Linker

DOCUMENT_WORDS = 200
_SECONDS = 1.0
_ROUNDS = 8
_BATCH = 32


def documents_of(texts: Sequence[str]) -> list[str]:
    """The texts' words one after another, in pieces of 200; fewer words than that are one piece."""
    words = " ".join(texts).split()
    whole = [words[start : start + DOCUMENT_WORDS] for start in range(0, len(words), DOCUMENT_WORDS)]
    return [" ".join(each) for each in whole if len(each) == DOCUMENT_WORDS] or [" ".join(words)]


def texts_per_second(linker: Linker, texts: Sequence[str]) -> float:
    """In CPU time of this thread, so that a busy machine counts less; the best of eight rounds of a second."""
    return max(_round(linker, texts) for _ in range(_ROUNDS))


def _round(linker: Linker, texts: Sequence[str]) -> float:
    endless, done = cycle(texts), 0
    started = time.thread_time()
    while (spent := time.thread_time() - started) < _SECONDS:
        done += len(linker.link_batch(list(islice(endless, _BATCH))))
    return done / spent
