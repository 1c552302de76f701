"""Completions through the whole system: what others asked, what the user knows, titles; what the user wants no more."""

import json
from datetime import UTC, datetime

import pytest
from tests.e2e.conftest import record_visibly, wait_until
from tests.e2e.material import reading
from typer.testing import CliRunner

from attune.knowledge_store.model import UserKey
from attune.services.cli.main import app
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.counting import Plan, count_queries
from attune.services.suggestion.screening import Screen
from attune.suggestion.v1 import suggestion_pb2 as pb

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def counted(system: System) -> None:
    """Taken within a second or so by the service that runs already."""
    asked = [
        Asked(UserKey("default", f"u{number}"), text, datetime(2026, 1, 1, tzinfo=UTC))
        for text, users in (("asymptote of a curve", 9), ("asylum law", 5), ("asparagus", 4))
        for number in range(users)
    ]
    count_queries(asked, system.config.queries, Screen(), system_clock(), Plan())
    with Client(Addresses.of(system.config)) as client:
        wait_until(lambda: "asylum law" in sources(client, "asyl"))


def sources(client: Client, prefix: str, user: str = "") -> dict[str, int]:
    return {each.text: each.source for each in client.complete(prefix, user=user).completions}


def test_queries_of_many_users_own_entities_and_titles_are_offered(client: Client) -> None:
    record_visibly(client, reading("completing-cora", "asyncio.Queue", "asyncio.Queue"))
    found = sources(client, "asy", "completing-cora")
    assert found["asymptote of a curve"] == found["asylum law"] == pb.SUGGESTION_SOURCE_OTHER_USERS
    assert found["asyncio.Queue"] == pb.SUGGESTION_SOURCE_ENTITY
    assert found["asyncio.gather"] == pb.SUGGESTION_SOURCE_DOCUMENT
    assert "asparagus" not in sources(client, "as")
    assert sources(client, "asyncio.q") == {"asyncio.Queue": pb.SUGGESTION_SOURCE_DOCUMENT}


def test_an_entity_is_found_by_another_name_and_offered_by_its_label(client: Client) -> None:
    record_visibly(client, reading("completing-cleo", "asyncio.Queue"))
    for typed in ("hando", "Lin", "handoff line", "hnadoff"):
        assert sources(client, typed, "completing-cleo") == {"asyncio.Queue": pb.SUGGESTION_SOURCE_ENTITY}, typed
    assert sources(client, "hando") == {}  # nobody knows it
    client.remove_suggestion("completing-cleo", "asyncio.Queue")
    assert sources(client, "hando", "completing-cleo") == {}


def test_with_nothing_typed_own_topics_come_first(client: Client) -> None:
    record_visibly(client, reading("completing-cato", "multiprocessing.Pool"))
    assert next(iter(sources(client, "", "completing-cato"))) == "multiprocessing.Pool"
    assert next(iter(sources(client, ""))) == "asymptote of a curve"


def test_what_was_removed_or_is_not_allowed_is_not_offered(client: Client) -> None:
    record_visibly(client, reading("completing-cyd", "asyncio.Queue"))
    client.remove_suggestion("completing-cyd", "Asylum  LAW")
    assert "asylum law" not in sources(client, "asy", "completing-cyd")
    client.set_consents("completing-cyd", withdraw=["suggestion"])
    answer = client.complete("asyncio.q", user="completing-cyd")
    assert [each.source for each in answer.completions] == [pb.SUGGESTION_SOURCE_DOCUMENT]
    assert answer.notices[0].startswith("user_id: ")


def test_the_command_prints_them(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("embedding", "knowledge", "suggestion", "search"):
        monkeypatch.setenv(f"ATTUNE_{role.upper()}_ADDRESS", getattr(system.config, f"{role}_address"))
    result = CliRunner().invoke(app, ["complete", "asym", "--json"])
    assert json.loads(result.stdout)["completions"][0]["text"] == "asymptote of a curve"
    result = CliRunner().invoke(app, ["complete", "asym"])
    assert "other users" in result.output
