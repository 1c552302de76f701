"""Topics: made once, told apart from what is wanted, and refused where they are missing or would lose something."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.fakes.kafka import PASSWORD, USER, Cluster, delete_topics
from typer.testing import CliRunner

from attune.services.cli.main import app
from attune.services.runtime.config import Config
from attune.services.runtime.consents import CONSENTS_TOPIC
from attune.services.runtime.eventlog.errors import LogRefusedError, LogUnavailableError, MissingTopicError
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Outcome, Wanted, init_topics
from attune.services.runtime.eventlog.topics import TOPICS
from attune.services.runtime.events import TOPIC
from attune.services.runtime.removals import FORGETS_TOPIC, REMOVALS_TOPIC
from attune.services.runtime.stores import open_event_log


def test_a_second_init_makes_nothing_and_finds_no_difference(connection: KafkaConnection) -> None:
    wanted = Wanted(partitions=3, retention=timedelta(days=7))
    first, second = init_topics(connection, wanted), init_topics(connection, wanted)
    assert [each.topic for each in first] == list(TOPICS)
    assert {each.outcome for each in first} == {Outcome.MADE}
    assert [(each.outcome, each.differences) for each in second] == [(Outcome.EXISTS, [])] * len(TOPICS)
    assert [each.found.partitions for each in first] == [3, 3, 1, 1, 1, 3, 3, 3]


def test_what_nobody_wishes_is_no_difference(connection: KafkaConnection) -> None:
    init_topics(connection, Wanted(partitions=3, retention=timedelta(days=7)))
    assert {each.outcome for each in init_topics(connection, Wanted())} == {Outcome.EXISTS}


def test_a_missing_topic_is_made_beside_the_others(connection: KafkaConnection, delete: Callable[..., None]) -> None:
    init_topics(connection, Wanted(partitions=1))
    delete(REMOVALS_TOPIC)
    outcomes = {each.topic: each.outcome for each in init_topics(connection, Wanted(partitions=1))}
    assert outcomes == dict.fromkeys(TOPICS, Outcome.EXISTS) | {REMOVALS_TOPIC: Outcome.MADE}


def test_differences_are_told_and_left(connection: KafkaConnection, alter: Callable[..., None]) -> None:
    init_topics(connection, Wanted(partitions=1))
    alter(FORGETS_TOPIC, **{"max.compaction.lag.ms": 5})
    reports = {each.topic: each for each in init_topics(connection, Wanted(partitions=2, retention=timedelta(days=90)))}
    assert reports[TOPIC].differences == [("partitions", "1", "2"), ("retention.ms", "2592000000", "7776000000")]
    assert reports[FORGETS_TOPIC].differences == [("max.compaction.lag.ms", "5", "86400000")]
    assert reports[CONSENTS_TOPIC].outcome is Outcome.EXISTS
    assert {each.found.partitions for each in init_topics(connection, Wanted())} == {1}


def test_more_copies_than_brokers_are_refused_in_one_sentence(connection: KafkaConnection) -> None:
    with pytest.raises(LogRefusedError, match=f"{TOPIC}: .*replication factor"):
        init_topics(connection, Wanted(replication=5))


def test_a_log_without_its_topics_names_them_and_the_command(
    connection: KafkaConnection, delete: Callable[..., None]
) -> None:
    init_topics(connection, Wanted(partitions=1))
    delete(FORGETS_TOPIC, REMOVALS_TOPIC)
    with pytest.raises(MissingTopicError, match=r"attune.forgets.v1, attune.removals.v1: .*`attune events init`"):
        KafkaEventLog(connection)


@pytest.mark.parametrize(
    ("topic", "settings"),
    [(FORGETS_TOPIC, {"cleanup.policy": "delete"}), (TOPIC, {"message.timestamp.type": "CreateTime"})],
)
def test_a_topic_that_would_lose_what_it_must_keep_is_refused(
    connection: KafkaConnection, alter: Callable[..., None], topic: str, settings: dict[str, str]
) -> None:
    init_topics(connection, Wanted(partitions=1))
    alter(topic, **settings)
    (name,) = settings
    with pytest.raises(LogRefusedError, match=f"{topic} in Kafka has {name}=.*alter it to"):
        KafkaEventLog(connection)


def test_a_kafka_that_is_down_is_said_in_one_sentence_with_the_mend() -> None:
    with pytest.raises(LogUnavailableError, match=r"127.0.0.1:1 does not answer .*ATTUNE_KAFKA_BOOTSTRAP_SERVERS"):
        KafkaEventLog(KafkaConnection("127.0.0.1:1", patience_ms=500))


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def environment(self, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ATTUNE_KAFKA_BOOTSTRAP_SERVERS", connection.servers)

    def test_it_makes_what_the_settings_ask_for(self) -> None:
        ended = CliRunner().invoke(app, ["events", "init", "--partitions", "2", "--retention-days", "5", "--json"])
        topics = {each["topic"]: each for each in json.loads(ended.stdout)["topics"]}
        assert {each["outcome"] for each in topics.values()} == {"made"}
        assert (topics[TOPIC]["partitions"], topics[TOPIC]["cleanup_policy"]) == (2, "delete")
        assert topics[FORGETS_TOPIC]["cleanup_policy"] == "compact"
        log = open_event_log(Config())
        assert isinstance(log, KafkaEventLog)
        assert log.partition_count(TOPIC) == 2
        log.close()

    def test_it_tells_people_what_differs(self) -> None:
        CliRunner().invoke(app, ["events", "init", "--partitions", "2"])
        ended = CliRunner().invoke(app, ["events", "init", "--partitions", "3"])
        assert f"{TOPIC}: partitions is 2, not 3" in ended.stdout
        assert "Nothing was altered" in ended.stdout

    def test_without_a_server_it_names_the_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ATTUNE_KAFKA_BOOTSTRAP_SERVERS", "")
        ended = CliRunner().invoke(app, ["events", "init"])
        assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
        assert "ATTUNE_KAFKA_BOOTSTRAP_SERVERS is not set" in ended.stderr


class TestAUserAndAPassword:
    @pytest.fixture
    def address(self, kafka_cluster: Cluster) -> str:
        delete_topics(kafka_cluster.servers)
        return kafka_cluster.brokers[0].sasl_address

    def test_the_right_ones_are_let_in(self, address: str) -> None:
        connection = KafkaConnection(address, "SASL_PLAINTEXT", "PLAIN", USER, PASSWORD)
        assert {each.outcome for each in init_topics(connection, Wanted())} == {Outcome.MADE}
        KafkaEventLog(connection).close()

    def test_the_wrong_ones_are_told_which_settings(self, address: str) -> None:
        connection = KafkaConnection(address, "SASL_PLAINTEXT", "PLAIN", USER, "wrong", patience_ms=1000)
        with pytest.raises(LogUnavailableError, match="ATTUNE_KAFKA_USERNAME, _PASSWORD"):
            init_topics(connection, Wanted())

    def test_the_password_is_not_printed(self) -> None:
        assert "secret" not in repr(KafkaConnection("b:1", "SASL_SSL", "PLAIN", USER, "secret"))
