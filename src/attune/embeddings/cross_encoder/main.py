"""The program of the cross-encoder's process: `python -m attune.embeddings.cross_encoder.main <socket>`."""

import logging
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO

from attune.embeddings.cross_encoder.messages import Answer, Question, ScorerInfo, ScorerSettings
from attune.embeddings.cross_encoder.scorer import PairScorer
from attune.embeddings.errors import ComputeError, DeadlineExpiredError, EmbeddingsError
from attune.embeddings.workers.frames import encode_frame, read_frame

_log = logging.getLogger(__name__)
_BATCH = 128
"""Pairs of several questions that are scored together: short ones beside short ones."""
_TRIED = [("what a person may ask of a search", "a sentence of a text that may answer it. " * 12)] * 16


def main(descriptor: int) -> None:
    """Load what the first message says, answer, and score until the other end hangs up."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as stream:
        settings: ScorerSettings = read_frame(stream)
        try:
            scorer = PairScorer.load(settings.model_path, settings.threads, settings.device)
        except EmbeddingsError as error:
            connection.sendall(encode_frame(error))
            return
        with suppress(ConnectionError):
            connection.sendall(encode_frame(ScorerInfo(scorer.model_id, scorer.device, _speed(scorer))))
            serve(scorer, stream, lambda answer: connection.sendall(encode_frame(answer)), time.monotonic)


def serve(scorer: PairScorer, stream: BinaryIO, send: Callable[[Answer], None], clock: Callable[[], float]) -> None:
    """Answer what comes until the other end hangs up: one thread reads, this one scores what has come meanwhile."""
    waiting: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=[stream, waiting], name="reading", daemon=True).start()
    while (question := waiting.get()) is not None:
        batch, ended = _with_others(question, waiting)
        for answer in answers(scorer, batch, clock):
            send(answer)
        if ended:
            return


def answers(scorer: PairScorer, batch: Sequence[Question], clock: Callable[[], float]) -> list[Answer]:
    """What becomes of questions that are scored together. Those that nobody waits for any more are not scored, and one
    that cannot be scored harms no other.
    """
    started = clock()
    live = [each for each in batch if each.deadline is None or started < each.deadline]
    late = DeadlineExpiredError("the deadline passed while the texts waited: allow more time or send fewer")
    ended = [Answer(each.number, (), started, 0.0, late) for each in batch if each not in live]
    try:
        scores = iter(scorer.scores([(each.query, text) for each in live for text in each.texts]) if live else [])
    except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours of the one at fault go on
        _log.warning("%d questions could not be scored", len(live), exc_info=error)
        if len(live) > 1:
            return [*ended, *(one for each in live for one in answers(scorer, [each], clock))]
        reason = ComputeError(f"the texts could not be scored ({error})")
        return [*ended, *(Answer(each.number, (), started, 0.0, reason) for each in live)]
    taken_ms = 1000 * (clock() - started)
    return [*ended, *(Answer(each.number, [next(scores) for _ in each.texts], started, taken_ms) for each in live)]


def _with_others(first: Question, waiting: "queue.SimpleQueue[Question | None]") -> tuple[list[Question], bool]:
    """A batch of what waits, and whether nothing more will come."""
    batch = [first]
    pairs = len(first.texts)
    while pairs < _BATCH:
        try:
            question = waiting.get_nowait()
        except queue.Empty:
            break
        if question is None:
            return batch, True
        batch.append(question)
        pairs += len(question.texts)
    return batch, False


def _read(stream: BinaryIO, waiting: "queue.SimpleQueue[Question | None]") -> None:
    with suppress(EOFError, ConnectionError, ValueError):  # ValueError: the stream was closed here
        while True:
            waiting.put(read_frame(stream))
    waiting.put(None)


def _speed(scorer: PairScorer) -> float:
    """Pairs a second, of the first ones; they also prepare what is prepared once."""
    scorer.scores(_TRIED)
    started = time.monotonic()
    scorer.scores(_TRIED)
    return len(_TRIED) / max(time.monotonic() - started, 1e-6)


if __name__ == "__main__":
    main(int(sys.argv[1]))
