"""How likely a language model holds texts to be, behind a context: a program of its own, for an environment of its own.

    python scorer_process.py MODEL.gguf

reads lines of JSON, {"context": "...", "texts": ["...", ...]}, and answers each with [[log-likelihood, tokens], ...].
It needs llama-cpp-python and numpy, and nothing of attune: a server tells no likelihood of a given text in good time.
"""

import json
import sys
from collections.abc import Sequence

import llama_cpp
import numpy as np
from numpy.typing import NDArray

_MOST_TOKENS = 512


class Scorer:
    """Keeps the context's state, so that only the texts are computed."""

    def __init__(self, path: str, threads: int) -> None:
        self._model = llama_cpp.Llama(
            path, n_ctx=_MOST_TOKENS, n_threads=threads, n_threads_batch=threads, logits_all=True, verbose=False
        )

    def scores(self, context: str, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of each text and the line's end: the sum of its tokens' natural log-probabilities, and their count."""
        head = self._model.tokenize(context.encode())[-_MOST_TOKENS // 2 :]
        self._model.reset()
        self._model.eval(head)
        first = _log_softmax(self._model.scores[len(head) - 1])
        return [self._score(len(head), first, text) for text in texts]

    def _score(self, behind: int, first: NDArray[np.float32], text: str) -> tuple[float, int]:
        tokens = self._model.tokenize(f"{text}\n".encode(), add_bos=False)[: _MOST_TOKENS // 2]
        self._model.n_tokens = behind
        self._model.eval(tokens)
        total = float(first[tokens[0]])
        for place, token in enumerate(tokens[1:], start=behind):
            total += float(_log_softmax(self._model.scores[place])[token])
        return total, len(tokens)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    likelihoods: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum())
    return likelihoods


def main() -> None:
    """Answer line by line, until there are no more."""
    scorer = Scorer(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(scorer.scores(asked["context"], asked["texts"])), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
