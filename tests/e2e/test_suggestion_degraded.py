"""Suggestions where another role is away or hangs: what is left is answered, and the answer says what is missing."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
import pytest
from tests.e2e.conftest import config_in, record_visibly
from tests.e2e.material import documents, reading
from tests.e2e.refusals import refused
from tests.e2e.suggesting import AWAY, client_of, suggestion_role
from tests.fakes.llm_server import llm_server, suggestions

from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client, path_name
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e

QUERY = "asyncio queue"
WITHOUT_DOCUMENTS = "these suggestions draw on no documents"
WITHOUT_MEANING = "suggestions are ranked without meaning, by words and counts"


@contextmanager
def taking_and_never_answering() -> Iterator[str]:
    """The address of a server that takes connections and says nothing, not even a greeting."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def acquainted(client: Client, user: str) -> None:
    record_visibly(client, reading(user, *["asyncio.Queue"] * 3))


# Embedding


@pytest.fixture(scope="module")
def orphaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose embedding role was there when it started, and has stopped since."""
    directory = tmp_path_factory.mktemp("orphaned")
    others = [role for role in RoleName if role is not RoleName.EMBEDDING]
    with ExitStack() as up:
        embedding = ExitStack()
        up.enter_context(embedding)
        first = embedding.enter_context(running_system(config_in(directory), system_clock, roles=[RoleName.EMBEDDING]))
        address = first.config.address(RoleName.EMBEDDING)
        system = up.enter_context(
            running_system(config_in(directory, embedding_address=address), system_clock, roles=others)
        )
        with client_of(system) as client:
            client.index(documents())
        embedding.close()
        yield system


@pytest.mark.parametrize("user", ["", "orphan"], ids=["nobody", "somebody"])
def test_without_embedding_the_ranker_goes_by_words_and_says_so(orphaned: System, user: str) -> None:
    with client_of(orphaned) as client:
        if user:
            titled = reading(user, "asyncio.Queue")
            titled[0].attributes["title"] = "asyncio.Queue"
            record_visibly(client, titled)
        answer = client.suggest("asyncio", user=user)
    assert path_name(answer.path) == "ranker"
    notices = " ".join(answer.notices)
    assert WITHOUT_DOCUMENTS in notices  # search cannot embed the query either
    if user:
        assert any(each.entity_ids for each in answer.suggestions)
        assert WITHOUT_MEANING in notices


@pytest.mark.parametrize("is_hanging", [False, True], ids=["away", "hanging"])
def test_without_embedding_documents_and_entities_are_still_suggested(
    system: System, client: Client, is_hanging: bool
) -> None:
    user = f"sd-embedding-{is_hanging}"
    acquainted(client, user)
    with ExitStack() as up:
        address = up.enter_context(taking_and_never_answering()) if is_hanging else AWAY
        alone = up.enter_context(suggestion_role(system, embedding_address=address))
        answer = up.enter_context(client_of(alone)).suggest("hand work to each other", user=user, limit=50)
    assert {each.text for each in answer.suggestions} >= {"asyncio.Queue", "multiprocessing.Queue"}
    assert list(answer.notices) == [f"the embedding service is unavailable: {WITHOUT_MEANING}"]
    assert path_name(answer.path) == "ranker"
    assert answer.fallback_reason == ""  # no language model was asked


def test_a_model_writes_whether_or_not_embedding_is_there(system: System) -> None:
    with llm_server() as server, suggestion_role(system, embedding_address=AWAY, llm_base_url=server.base_url) as alone:
        server.answer = suggestions("asyncio queue maxsize")
        with client_of(alone) as client:
            answer = client.suggest(QUERY, limit=1)
    assert [each.text for each in answer.suggestions] == ["asyncio queue maxsize"]
    assert path_name(answer.path) == "llm"
    assert list(answer.notices) == []  # the ranker's troubles are nothing to who does not see its work


# Search


def test_search_that_hangs_is_not_waited_for_to_the_end(system: System, client: Client) -> None:
    acquainted(client, "sd-search")
    with (
        taking_and_never_answering() as address,
        suggestion_role(system, search_address=address, suggestion_budget_ms=1000) as alone,
        client_of(alone) as asking,
    ):
        answer = asking.suggest("asyncio", user="sd-search")
        with asking.suggest_stream("asyncio", user="sd-search") as stream:
            streamed = list(stream)
    assert any(each.entity_ids for each in answer.suggestions)
    assert {each.text for each in streamed} == {each.text for each in answer.suggestions}
    for each in (answer, stream.summary):
        assert path_name(each.path) == "ranker"
        (notice,) = each.notices
        assert notice.startswith("the search service ")
        assert notice.endswith(WITHOUT_DOCUMENTS)


def test_a_model_is_asked_although_search_hangs(system: System) -> None:
    with (
        taking_and_never_answering() as address,
        llm_server() as server,
        suggestion_role(
            system, search_address=address, suggestion_budget_ms=1000, llm_base_url=server.base_url
        ) as alone,
        client_of(alone) as asking,
    ):
        server.answer = suggestions("asyncio queue maxsize")
        answer = asking.suggest(QUERY, limit=1)
    assert path_name(answer.path) == "llm"
    assert answer.notices[0].endswith(WITHOUT_DOCUMENTS)


# Knowledge


@pytest.mark.parametrize("is_hanging", [False, True], ids=["away", "hanging"])
def test_without_knowledge_nobody_is_served_and_somebody_told_to_come_back(system: System, is_hanging: bool) -> None:
    """What a user has removed is not known then, and must not be shown: so nothing is."""
    with ExitStack() as up:
        address = up.enter_context(taking_and_never_answering()) if is_hanging else AWAY
        alone = up.enter_context(suggestion_role(system, knowledge_address=address))
        plain = up.enter_context(client_of(alone)).suggest(QUERY)
        assert plain.suggestions
        assert list(plain.notices) == []
        addresses = Addresses.of(alone.config)
        impatient = up.enter_context(Client(addresses, timeout_s=3 if is_hanging else 60))
        refusal = refused(lambda: impatient.suggest(QUERY, user="sd-knowledge"))
        streamed = refused(lambda: list(impatient.suggest_stream(QUERY, user="sd-knowledge")))
    code = grpc.StatusCode.DEADLINE_EXCEEDED if is_hanging else grpc.StatusCode.UNAVAILABLE
    assert (refusal.code, streamed.code) == (code, code)
    assert is_hanging or refusal.reason == streamed.reason == "DEPENDENCY"


def test_a_model_does_not_write_for_a_user_of_whom_nothing_is_known(system: System) -> None:
    with (
        llm_server() as server,
        suggestion_role(system, knowledge_address=AWAY, llm_base_url=server.base_url) as alone,
        client_of(alone) as asking,
    ):
        assert refused(lambda: asking.suggest(QUERY, user="sd-model")).code is grpc.StatusCode.UNAVAILABLE
        assert server.requests == []
        server.answer = suggestions("asyncio queue maxsize")
        assert path_name(asking.suggest(QUERY, limit=1).path) == "llm"
