"""Feedback through the running system: in the session at once, in the store in a moment, and never from programs."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.conftest import record_visibly, wait_until
from tests.e2e.material import QUERY, reading
from typer.testing import CliRunner, Result

from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1.search_pb2 import SearchResponse
from attune.services.cli.main import app
from attune.services.cli.system import System
from attune.services.client import Client, feedback

pytestmark = pytest.mark.e2e

Run = Callable[..., Result]


@pytest.fixture
def run(system: System, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command whose environment names the running system."""
    for role in ("embedding", "knowledge", "suggestion", "search"):
        monkeypatch.setenv(f"ATTUNE_{role.upper()}_ADDRESS", getattr(system.config, f"{role}_address"))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


def search(client: Client, user: str, query: str = QUERY, session: str = "s1", **fields: Any) -> SearchResponse:
    return client.search(query, user=user, context=Context(session_id=session), **fields)


def ids(answer: SearchResponse) -> list[str]:
    return [hit.document.document_id for hit in answer.hits]


def weight(client: Client, user: str, entity: str) -> float | None:
    return next((each.evidence.weight for each in client.entities(user) if each.entity_id == entity), None)


def test_a_rejected_document_is_gone_and_what_it_is_about_counts_less(client: Client) -> None:
    before = search(client, "fb-reject")
    first = before.hits[0]
    request = feedback(
        "fb-reject", session="s1", document=first.document.document_id, placement="rejected", hit_token=first.token
    )
    for _ in range(2):
        answer = client.submit_feedback(request)
        assert (answer.recorded, answer.in_session) == (True, True)
    assert ids(search(client, "fb-reject")) == ids(before)[1:]
    assert ids(search(client, "fb-reject", session="s2")) == ids(before)
    wait_until(lambda: client.profile("fb-reject").events == 1)
    assert (weight(client, "fb-reject", first.entity_ids[0]) or 0) < 0


def test_not_about_this_counts_against_the_entity_at_once_and_for_good(client: Client) -> None:
    record_visibly(client, reading("fb-about", *["asyncio.timeout"] * 3))
    liked = search(client, "fb-about")
    assert liked.hits[0].explanation.summary.startswith("because you read about asyncio")
    before = weight(client, "fb-about", "asyncio") or 0
    client.submit_feedback(feedback("fb-about", session="s1", not_about=["asyncio"], query_id=liked.query_id))
    after = search(client, "fb-about")
    assert after.session_feedback.lowered > 0
    assert all("asyncio" not in [each.entity_id for each in hit.explanation.entities] for hit in after.hits)
    wait_until(lambda: client.profile("fb-about").events == 4)
    assert (weight(client, "fb-about", "asyncio") or 0) < before - 0.9


def test_a_wrong_part_is_left_out_and_what_was_meant_is_learned(client: Client) -> None:
    wrong, instead = "worker processes of multiprocessing", "an asyncio queue"
    client.submit_feedback(feedback("fb-part", session="s1", part=wrong, replacement=instead, query_id="q1"))
    answer = search(client, "fb-part", f"hand work to {wrong}")
    assert (answer.session_feedback.parts_removed, answer.session_feedback.parts_replaced) == (1, 1)
    assert ids(answer)[0] == "asyncio.Queue"
    wait_until(lambda: client.profile("fb-part").events == 2)
    assert (weight(client, "fb-part", "asyncio") or 0) > 0 > (weight(client, "fb-part", "multiprocessing") or 0)


def test_what_a_program_says_holds_in_its_session_and_never_reaches_the_store(client: Client) -> None:
    first = ids(search(client, "fb-played"))[0]
    played = feedback("fb-played", session="s1", document=first, placement="rejected", simulated=True)
    assert client.submit_feedback(played).recorded
    assert first not in ids(search(client, "fb-played"))
    record_visibly(client, reading("fb-played", "csv.reader"))
    assert client.profile("fb-played").events == 1


def test_two_rankings_are_interleaved_by_the_name_of_the_search(client: Client) -> None:
    record_visibly(client, reading("fb-two", *["multiprocessing.shared_memory"] * 3))
    one, again = (search(client, "fb-two", rankings=["personal", "plain"], query_id="q7") for _ in range(2))
    assert ids(one) == ids(again)
    assert [hit.token for hit in one.hits] == [hit.token for hit in again.hits]
    assert {hit.ranking for hit in one.hits} - {""} == {"personal", "plain"}
    assert sorted(ids(one)) == sorted(ids(search(client, "fb-two")))


def test_the_command_says_what_holds_and_what_is_learned(run: Run, client: Client) -> None:
    last = ids(search(client, "fb-cli"))[-1]
    said = run("feedback", "pin", last, "--user", "fb-cli", "--session", "s1")
    assert said.exit_code == 0, said.output
    assert f"pin {last}: holds in session s1, and it is learned from" in said.stdout
    assert ids(search(client, "fb-cli"))[0] == last
    assert last in run("search", QUERY, "--user", "fb-cli", "--session", "s1", "--limit", "1").stdout
    refused = run("feedback", "wrong", "words", "--user", "fb-cli")
    assert refused.exit_code == 1
    assert "session_id" in refused.output
    assert "--instead" in run("feedback", "pin", last, "--user", "fb-cli", "--instead", "x").output
