"""Learning from a log in Kafka, where what a forgotten user did stays until its time is over: it must not teach."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from attune.events.v1.events_pb2 import EVENT_TYPE_SUGGESTION_ACCEPTED, EVENT_TYPE_SUGGESTION_SHOWN, InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.services.cli.main import app
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.port import Erasure
from attune.services.runtime.events import TOPIC, log_key, to_entry
from attune.services.runtime.stores import open_store
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.token import Token

ADA = UserKey("default", "ada")


def taking_the_second(user: str) -> Iterator[InteractionEvent]:
    for kind, position in (
        (EVENT_TYPE_SUGGESTION_SHOWN, 1),
        (EVENT_TYPE_SUGGESTION_SHOWN, 2),
        (EVENT_TYPE_SUGGESTION_ACCEPTED, 2),
    ):
        token = Token(2, position, 1.0, "0123abcd", np.full(len(FEATURES), position, np.float32)).encoded()
        made = InteractionEvent(
            tenant_id="default",
            user_id=user,
            event_id=f"{kind} {position}",
            type=kind,
            user_query="x",
            query_id="list",
            attributes={"suggestion_token": token},
        )
        made.occurred_at.FromDatetime(system_clock())
        yield made


def test_a_forgotten_user_does_not_teach_although_the_records_are_there(
    log: KafkaEventLog, kafka_servers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ATTUNE_KAFKA_BOOTSTRAP_SERVERS", kafka_servers)
    for user in ("ada", "bo"):
        log.append(TOPIC, [to_entry(each) for each in taking_the_second(user)], system_clock())

    def trained() -> dict:
        result = CliRunner().invoke(
            app, ["train", "ranker", "--from-log", "suggestions", "--out", str(tmp_path / "ranker.json"), "--json"]
        )
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    with closing(open_store(Config())) as store:
        assert trained()["provenance"]["lists"] == 2
        assert log.erasure(TOPIC) is Erasure.BY_RETENTION
        log.redact(TOPIC, log_key(ADA))
        store.forget_user(ADA, system_clock() + timedelta(minutes=1))
    told = trained()
    assert (told["provenance"]["lists"], told["left_out"]) == (1, 3)
