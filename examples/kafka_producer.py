"""Produce events to Kafka from an application of your own; the ingest worker reads them from there.

    pip install kafka-python
    python examples/kafka_producer.py localhost:9092

`event_record` knows nothing of Kafka's clients: with another, hand over the same key, value and headers. Run it twice:
nothing is counted twice, for the events have fixed ids.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.client import event_record, interaction

TOPIC = "attune.interactions.v1"
TENANT = "default"
READ = ("asyncio.Queue", "asyncio.timeout")


def events(now: datetime) -> Iterator[InteractionEvent]:
    """A reader clicks on two documents."""
    for place, object_id in enumerate(READ):
        at = now - timedelta(minutes=place)
        event = interaction("reader-a", "click", at, object_id=object_id, event_id=f"example/kafka/{place}")
        event.tenant_id = TENANT  # no credential tells it on this way
        yield event


def main() -> None:
    """Produce the events and wait until the brokers have them."""
    from kafka import KafkaProducer  # noqa: PLC0415 - attune itself does not need it here

    producer = KafkaProducer(bootstrap_servers=sys.argv[1], acks="all", enable_idempotence=True)
    records = [event_record(event) for event in events(datetime.now(UTC))]
    sent = [producer.send(TOPIC, key=each.key, value=each.value, headers=each.headers) for each in records]
    for future in sent:
        future.get(timeout=30)  # raises where the brokers did not take it
    producer.close()


if __name__ == "__main__":
    main()
