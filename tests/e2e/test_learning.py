"""The whole round of learning: suggested, recorded, learned from the event log, and served with what was learned."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in
from tests.e2e.material import QUERY, documents
from typer.testing import CliRunner

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.background import running_system
from attune.services.cli.main import app
from attune.services.client import Client, interaction
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock

pytestmark = pytest.mark.e2e
TEACHERS = [f"teacher {number}" for number in range(8)]
CONTRARY = [f"contrary {number}" for number in range(24)]


def taking(client: Client, user: str, text: str) -> Iterator[InteractionEvent]:
    """The user sees suggestions, and takes the one that reads so."""
    answer, now = client.suggest(QUERY, user=user), datetime.now(UTC)
    assert text in [each.text for each in answer.suggestions], answer.notices
    for position, each in enumerate(answer.suggestions, start=1):
        for kind in ("suggestion_shown", *["suggestion_accepted"] * (each.text == text)):
            yield interaction(
                user,
                kind,
                now,
                query=each.text,
                query_id=answer.suggestions_id,
                position=position,
                attributes={"suggestion_token": each.token},
            )


def record(client: Client, events: Iterator[InteractionEvent]) -> None:
    answer = client.record(events)
    assert answer.accepted
    assert not answer.rejected, answer.rejected


def first(client: Client, user: str) -> str:
    return client.suggest(QUERY, user=user).suggestions[0].text


def run(*arguments: str) -> dict:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_users_take_is_what_comes_first_after_learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    out = tmp_path / "ranker.json"
    from_log = ("--from-log", "suggestions")
    with (
        running_system(config_in(tmp_path), system_clock) as system,
        Client(Addresses.of(system.config), timeout_s=30) as client,
    ):
        client.index(documents())
        liked, disliked = "asyncio.gather", first(client, "a stranger")
        assert disliked != liked
        for user in CONTRARY:
            record(client, taking(client, user, "multiprocessing.shared_memory"))
        for user in TEACHERS:
            record(client, taking(client, user, liked))
        everybody = run("train", "ranker", *from_log, "--out", str(tmp_path / "everybody.json"))
        assert everybody["provenance"]["lists"] == len(CONTRARY) + len(TEACHERS)
        for user in CONTRARY:
            client.forget(user)
        learned = run("train", "ranker", *from_log, "--out", str(out))
        assert learned["provenance"]["lists"] == len(TEACHERS)
        assert learned["features"]["is_title"]["weight"] > everybody["features"]["is_title"]["weight"]
        judged = run("eval", "suggestion", *from_log, "--ranker", str(out))["summary"]
        assert (judged["lists"], judged["logged"]) == (len(TEACHERS), 1)
        asked = [f"{word} {thing}" for word in ("close", "read") for thing in ("files", "sockets", "queues")]
        for user in TEACHERS[:3]:
            record(client, (interaction(user, "query", datetime.now(UTC), query=each) for each in asked))
        both = run("train", "ranker", *from_log, "--from-log", "queries", "--out", str(tmp_path / "both.json"))
        assert both["provenance"]["lists"] > len(TEACHERS)
    with (
        running_system(config_in(tmp_path, ranker_path=out), system_clock) as system,
        Client(Addresses.of(system.config), timeout_s=30) as client,
    ):
        assert first(client, "another stranger") == liked
