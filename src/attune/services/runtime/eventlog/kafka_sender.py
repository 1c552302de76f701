"""Sending to Kafka, by a producer that is replaced once it has given something up.

A producer of kafka-python (3.0.12) that gives up what it had sent before, since nobody acknowledged it in time, drops
its producer id and never asks for another: whatever it is handed from then on it neither sends nor gives up.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from attune.services.runtime.eventlog.errors import LogUnavailableError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_topics import BATCH_OVERHEAD
from attune.services.runtime.eventlog.topics import TOPICS

_LARGEST_REQUEST = max(topic.most_bytes for topic in TOPICS.values()) + BATCH_OVERHEAD
_BATCH_BYTES = 256 * 1024
_CLOSING_S = 1.0
_OVERTIME_S = 5.0
"""How much longer than it promises a producer is waited for."""


class KafkaSender:
    """Any thread may call. Of two calls at once, neither waits for the other."""

    def __init__(self, connection: KafkaConnection) -> None:
        """Raises LogUnavailableError, LogRefusedError."""
        self._connection = connection
        self._patience_s = connection.patience_ms / 1000
        self._mutex = threading.Lock()
        self._producer: Any = self._made()

    def send(self, topic: str, sendings: Sequence[dict[str, Any]]) -> list[Any]:
        """Send records, each as arguments of KafkaProducer.send, and return their RecordMetadata.

        All are on their way before the first answer is waited for. Raises LogUnavailableError, after which some of them
        may have been written, and LogRefusedError.
        """
        producer = self._current()
        try:
            with self._connection.errors_told():
                sent = [producer.send(topic, **each) for each in sendings]
                deadline = time.monotonic() + self._patience_s + _OVERTIME_S
                return [each.get(timeout=max(0.0, deadline - time.monotonic())) for each in sent]
        except LogUnavailableError:
            self._replace(producer)
            raise

    def close(self) -> None:
        """Gives what is being sent a second; who sends is told of failure when its patience is over."""
        with self._mutex:
            producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer, _CLOSING_S)

    def _current(self) -> Any:
        """To connect may take long, and holds nobody up: of two that are made at once, one is closed again."""
        with self._mutex:
            producer = self._producer
        if producer is not None:
            return producer
        made = self._made()
        with self._mutex:
            if self._producer is None:
                self._producer = made
            producer = self._producer
        if producer is not made:
            _close(made, 0)
        return producer

    def _replace(self, producer: Any) -> None:
        """Whatever others have given it may be sent yet, or be given up in its time."""
        with self._mutex:
            if self._producer is not producer:
                return
            self._producer = None
        until_s = self._patience_s + _OVERTIME_S
        threading.Thread(target=_end, args=(producer, until_s), name="attune-kafka-closing", daemon=True).start()

    def _made(self) -> Any:
        """Idempotent, and acknowledged by all replicas in sync: what it repeats after a lost answer is written once."""
        return self._connection.client(
            KafkaProducer,
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=self._connection.patience_ms,
            max_block_ms=self._connection.patience_ms,
            max_request_size=_LARGEST_REQUEST,
            batch_size=_BATCH_BYTES,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )


def _end(producer: Any, timeout_s: float) -> None:
    """Close it, and what it holds by then is given up: nobody waits for it any more."""
    try:
        producer.close(timeout=timeout_s)
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001 - close() gives up itself here, and leaves the thread running


def _close(producer: Any, timeout_s: float) -> None:
    with suppress(KafkaError):  # the time is over, and what was still waiting is given up
        producer.close(timeout=timeout_s)
