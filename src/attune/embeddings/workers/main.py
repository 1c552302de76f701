"""The program of a worker process: `python -m attune.embeddings.workers.main <socket>`, for `WorkerProcess` only."""

import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import EmbeddingsError, ModelError
from attune.embeddings.workers.frames import encode_frame, read_frame
from attune.embeddings.workers.messages import Reload, Reloaded, Text, WorkerInfo, WorkerSettings
from attune.embeddings.workers.pipeline import Pipeline
from attune.embeddings.workers.warm_up import warm_up

_log = logging.getLogger(__name__)


def main(descriptor: int) -> None:
    """Load what the first message says, answer, and compute until the other end hangs up."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as stream:
        settings: WorkerSettings = read_frame(stream)
        try:
            embedder = Embedder.load(settings.model_path, settings.precision, settings.threads, device=settings.device)
        except EmbeddingsError as error:
            connection.sendall(encode_frame(error))
            return
        warmth = warm_up(embedder, time.monotonic)
        gc.collect()
        gc.freeze()  # a full collection need not look through the model and its libraries, which stay to the end
        try:
            connection.sendall(encode_frame(_info(embedder, warmth.tokens_per_second)))
        except ConnectionError:
            return  # another worker could not start, so this one is not wanted
        send = _Sender(connection)
        pipeline = Pipeline(embedder, warmth.cores, embedder.batch_tokens, time.monotonic, send)
        reloading = threading.Lock()  # answers come in the order in which they were asked for
        _serve(pipeline, warmth.cores.count, _texts(stream, lambda: _reload(embedder, send, reloading)))


class _Sender:
    """Writes frames to the connection, for several threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()

    def __call__(self, value: object) -> None:
        frame = encode_frame(value)
        with self._writing:
            self._connection.sendall(frame)


def _serve(pipeline: Pipeline, threads: int, texts: Iterator[Sequence[Text]]) -> None:
    """Until the other end hangs up, which also breaks the pipe of a thread that has an answer."""
    computing = [
        threading.Thread(target=_compute, args=[pipeline, number == 0], name="computing") for number in range(threads)
    ]
    for thread in computing:
        thread.start()
    pipeline.read(texts)
    for thread in computing:
        thread.join()


def _compute(pipeline: Pipeline, first: bool) -> None:
    """A thread that fails ends the process, which is noticed; a worker short of a thread would keep texts for ever."""
    try:
        pipeline.compute(first=first)
    except ConnectionError:
        return  # nobody is left who waits for the answer
    except Exception:  # noqa: BLE001 - whatever it is, it ends the process
        _log.exception("the embedding worker failed and ends")
        os._exit(1)


def _texts(stream: BinaryIO, reload: Callable[[], None]) -> Iterator[Sequence[Text]]:
    """The texts that come; other messages are seen to meanwhile."""
    while True:
        try:
            message = read_frame(stream)
        except (EOFError, ConnectionError):
            return
        if isinstance(message, Reload):
            threading.Thread(target=reload, name="reloading", daemon=True).start()
        else:
            yield message


def _reload(embedder: Embedder, send: Callable[[object], None], reloading: threading.Lock) -> None:
    """Load the experts of now, and say which domains there are; texts are computed meanwhile."""
    with reloading, suppress(ConnectionError):
        send(_reloaded(embedder))


def _reloaded(embedder: Embedder) -> Reloaded:
    try:
        return Reloaded(embedder.reload_experts())
    except EmbeddingsError as error:
        return Reloaded(None, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked is told, and the others go on
        _log.exception("the experts could not be loaded")
        return Reloaded(None, ModelError(f"the experts could not be loaded ({error})"))


def _info(embedder: Embedder, tokens_per_second: float) -> WorkerInfo:
    return WorkerInfo(
        name=embedder.name,
        revision=embedder.revision,
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
        precision_reason=embedder.precision.reason,
        device=embedder.device,
        domains=embedder.domains,
        tokens_per_second=tokens_per_second,
        batch_tokens=embedder.batch_tokens,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
