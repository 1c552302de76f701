"""Logs on a real Kafka, with what a producer that is not attune's may do to them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from tests.fakes.kafka import delete_topics, until

from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics


@pytest.fixture
def connection(kafka_servers: str) -> KafkaConnection:
    """Of a server that has none of attune's topics."""
    delete_topics(kafka_servers)
    return KafkaConnection(kafka_servers, patience_ms=10_000)


@pytest.fixture
def log(connection: KafkaConnection) -> Iterator[KafkaEventLog]:
    """With topics of one partition."""
    init_topics(connection, Wanted(partitions=1))
    opened = KafkaEventLog(connection)
    yield opened
    opened.close()


@pytest.fixture
def admin(connection: KafkaConnection) -> Iterator[KafkaAdminClient]:
    client = connection.client(KafkaAdminClient)
    yield client
    client.close()


@pytest.fixture
def alter(admin: KafkaAdminClient) -> Callable[..., None]:
    """Changes settings of a topic, and returns when the broker shows them: a setting is to be given as it shows it."""

    def change(topic: str, **settings: object) -> None:
        wanted = {name.replace("_", "."): str(value) for name, value in settings.items()}
        admin.alter_configs([ConfigResource("TOPIC", topic, wanted)])

        def is_shown() -> bool:
            found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
            return all(str(found[name]["value"]) == value for name, value in wanted.items())

        until(is_shown)

    return change


@pytest.fixture
def delete(admin: KafkaAdminClient) -> Callable[..., None]:
    """Deletes topics, and returns when the broker shows none of them."""

    def one_and_all(*topics: str) -> None:
        admin.delete_topics(list(topics))
        until(lambda: not set(topics) & set(admin.list_topics()))

    return one_and_all


@pytest.fixture
def foreign(connection: KafkaConnection) -> Iterator[Callable[..., Any]]:
    """Makes producers of somebody else, with the options that they give."""
    made: list[KafkaProducer] = []

    def make(**options: Any) -> Any:
        made.append(connection.client(KafkaProducer, **options))
        return made[-1]

    yield make
    for each in made:
        each.close(timeout=5)
