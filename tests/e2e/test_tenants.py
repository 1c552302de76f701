"""Two tenants in one system, with the same user ids and the same document ids: neither sees anything of the other."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from tests.e2e.conftest import config_in, exported, record_visibly
from tests.e2e.material import QUERY, documents, reading
from tests.e2e.refusals import refused, rpc

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as knowledge
from attune.search.v1.search_pb2 import Document, GetDocumentRequest
from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e

TOKENS = {"red-token": "red", "blue-token": "blue"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("tenants")
    tokens = directory / "tokens.json"
    tokens.write_text(json.dumps(TOKENS))
    with running_system(config_in(directory, tokens_file=tokens), system_clock) as running:
        with client_of(running, "red-token") as red, client_of(running, "blue-token") as blue:
            red.index(documents())
            blue.index([Document(document_id="asyncio.gather", title="blue", text="Nothing but blue.", domain="blue")])
        yield running


@pytest.fixture
def red(shared: System) -> Iterator[Client]:
    with client_of(shared, "red-token") as made:
        yield made


@pytest.fixture
def blue(shared: System) -> Iterator[Client]:
    with client_of(shared, "blue-token") as made:
        yield made


def client_of(system: System, token: str) -> Client:
    return Client(Addresses.of(system.config), token=token, timeout_s=30)


def get_document(system: System, token: str, document_id: str) -> Any:
    call = rpc(system.config, RoleName.SEARCH, "GetDocument")
    metadata = (("authorization", f"Bearer {token}"),)
    return call(GetDocumentRequest(document_id=document_id), metadata=metadata)


def test_documents_of_one_id_are_two_documents(shared: System, red: Client, blue: Client) -> None:
    assert get_document(shared, "red-token", "asyncio.gather").document.title == "asyncio.gather"
    assert get_document(shared, "blue-token", "asyncio.gather").document.title == "blue"
    refusal = refused(lambda: get_document(shared, "blue-token", "csv.reader"))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("query", [QUERY, "blue", "asyncio.gather", "csv"])
def test_search_finds_the_own_documents_only(red: Client, blue: Client, query: str) -> None:
    assert [hit.document.title for hit in blue.search(query).hits] == ["blue"]
    assert "blue" not in [hit.document.title for hit in red.search(query, page_size=100).hits]
    assert list(red.search(query, domains=["blue"]).hits) == []


def test_a_page_token_of_one_tenant_is_none_of_the_other(red: Client, blue: Client) -> None:
    token = red.search(QUERY, page_size=3).next_page_token
    refusal = refused(lambda: blue.search(QUERY, page_size=3, page_token=token))
    assert (refusal.code, list(refusal.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


def test_deleting_reaches_the_own_documents_only(shared: System, red: Client, blue: Client) -> None:
    assert blue.delete(["csv.reader", "json.loads"]) == 0
    assert get_document(shared, "red-token", "csv.reader").document.title == "csv.reader"


def test_a_user_of_one_name_is_two_users(red: Client, blue: Client) -> None:
    record_visibly(red, reading("ada", "asyncio.gather", "asyncio.Queue", "asyncio.gather"))
    record_visibly(blue, named_reading("ada", "multiprocessing.Pool"))
    assert {each.entity_id for each in red.entities("ada")} == {"asyncio", "asyncio.gather", "asyncio.Queue"}
    assert {each.entity_id for each in blue.entities("ada")} == {"multiprocessing", "multiprocessing.Pool"}
    assert (red.profile("ada").events, blue.profile("ada").events) == (3, 1)
    held = {each.entity.entity_id for each in blue.export("ada") if each.HasField("entity")}
    assert held == {"multiprocessing", "multiprocessing.Pool"}
    found = blue.retrieve("ada", query="asyncio.gather").entities
    assert all(each.entity.evidence.total == 0 for each in found if each.entity.entity_id.startswith("asyncio"))


def test_suggestions_and_what_is_removed_of_them_stay_within_the_tenant(red: Client, blue: Client) -> None:
    record_visibly(red, reading("bob", *["asyncio.Queue"] * 3))
    assert list(blue.suggest("", user="bob").suggestions) == []
    first = red.suggest("", user="bob").suggestions[0].text
    blue.remove_suggestion("bob", first)
    assert first in [each.text for each in red.suggest("", user="bob").suggestions]
    red.remove_suggestion("bob", first)
    assert first not in [each.text for each in red.suggest("", user="bob").suggestions]


def test_what_a_user_allows_is_of_the_tenant(red: Client, blue: Client) -> None:
    record_visibly(red, reading("fay", "asyncio.gather"))
    record_visibly(blue, named_reading("fay", "multiprocessing.Pool"))
    red.set_consents("fay", withdraw=["learning", "ranking", "suggestion"])
    assert [each.granted for each in red.consents("fay")] == [False, False, False, True, True]
    assert all(each.granted and not each.HasField("since") for each in blue.consents("fay"))
    assert red.record(reading("fay", "asyncio.Queue", run="again")).accepted == 0
    record_visibly(blue, named_reading("fay", "multiprocessing.Pool", start=1))
    assert (red.profile("fay").events, blue.profile("fay").events) == (1, 2)
    assert list(red.suggest("", user="fay").suggestions) == []
    assert list(blue.suggest("", user="fay").notices) == []


def test_an_event_cannot_be_written_for_the_other_tenant(red: Client, blue: Client) -> None:
    (event,) = reading("eve", "asyncio.gather")
    event.tenant_id = "red"
    answer = blue.record([event])
    assert (answer.accepted, answer.rejected[0].field) == (0, "tenant_id")
    record_visibly(red, [event])
    assert (red.profile("eve").events, blue.profile("eve").events) == (1, 0)


def test_the_same_event_id_is_two_events(red: Client, blue: Client) -> None:
    record_visibly(red, reading("carl", "asyncio.gather"))
    record_visibly(blue, named_reading("carl", "multiprocessing.Pool"))
    assert (red.profile("carl").events, blue.profile("carl").events) == (1, 1)


def test_forgetting_a_user_leaves_the_other_tenants(shared: System, red: Client, blue: Client) -> None:
    record_visibly(red, reading("dan", "asyncio.gather", "asyncio.Queue"))
    record_visibly(blue, named_reading("dan", "multiprocessing.Pool"))
    red.remove_suggestion("dan", "something")
    blue.remove_suggestion("dan", "something")
    before = exported(blue, "dan")
    removed = red.forget("dan").removed
    assert (removed["events"], removed["event_log"], removed["suppressions"]) == (2, 2, 1)
    assert (red.profile("dan").events, list(red.entities("dan"))) == (0, [])
    assert exported(blue, "dan") == before
    assert not blue.profile("dan").HasField("forgotten_at")
    record_visibly(blue, named_reading("dan", "multiprocessing.Pool", start=1))
    assert blue.profile("dan").events == 2


def test_the_catalog_is_common(shared: System) -> None:
    call = rpc(shared.config, RoleName.KNOWLEDGE, "GetEntity")
    answers = [
        call(knowledge.GetEntityRequest(entity_id="asyncio"), metadata=(("authorization", f"Bearer {token}"),))
        for token in TOKENS
    ]
    assert answers[0] == answers[1]


def named_reading(user: str, title: str, start: int = 0) -> list[InteractionEvent]:
    """A click on a document that was never indexed, known by its title."""
    (event,) = reading(user, "unindexed")
    event.event_id = f"{user}-{start}"
    event.attributes["title"] = title
    return [event]
