"""What a caller is told although nothing failed: domains without an expert, domains without documents, no search."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in, record_visibly
from tests.e2e.material import QUERY, reading
from tests.e2e.refusals import rpc
from typer.testing import CliRunner, Result

from attune.search.v1.search_pb2 import Document
from attune.services.cli.background import running_system
from attune.services.cli.main import app
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName
from attune.suggestion.v1 import suggestion_pb2 as suggestion

pytestmark = pytest.mark.e2e

BY_GENERAL = "embedded by the general expert: no expert is trained for it; known domains: general"
EMPTY = "domains: no document has domain 'nosuch'; "
WITHOUT_DOCUMENTS = "these suggestions draw on no documents"


@pytest.fixture
def put(client: Client) -> Iterator[Callable[..., list[str]]]:
    """Indexes documents of the given domains, and returns the notices; the documents go with the test."""
    ids: set[str] = set()

    def index(*domains: str, title: str = "a notice") -> list[str]:
        documents = [
            Document(document_id=f"notice-{number}", title=title, domain=each) for number, each in enumerate(domains)
        ]
        ids.update(each.document_id for each in documents)
        answer = client.index(documents)
        assert answer.rejected_count == 0
        return list(answer.notices)

    yield index
    client.delete(sorted(ids))


# Indexing


def test_documents_of_a_domain_nobody_trained_are_indexed_and_told(client: Client, put: Callable[..., None]) -> None:
    assert put("cooking", "general", "", "cooking", "baking") == [
        f"2 documents of domain 'cooking' were {BY_GENERAL}",
        f"1 document of domain 'baking' was {BY_GENERAL}",
    ]
    narrowed = client.search("notice", domains=["cooking"])
    assert {hit.document.document_id for hit in narrowed.hits} == {"notice-0", "notice-3"}
    assert list(narrowed.notices) == []


def test_unchanged_documents_are_told_once(put: Callable[..., None]) -> None:
    assert put("cooking")
    assert put("cooking") == []
    assert put("cooking", title="another title")


def test_the_general_domain_and_none_are_nothing_to_tell(put: Callable[..., None]) -> None:
    assert put("general", "", "general") == []


def test_of_many_such_domains_the_notices_are_few_and_every_document_is_counted(put: Callable[..., None]) -> None:
    notices = put(*(f"domain-{number}" for number in range(80)))
    assert len(notices) == 11
    assert notices[-1].startswith("70 documents of further domains were embedded by the general expert")


# Searching


def test_a_domain_of_no_document_brings_no_hits_and_a_notice(client: Client) -> None:
    answer = client.search(QUERY, domains=["nosuch"])
    assert list(answer.hits) == []
    (notice,) = answer.notices
    assert notice.startswith(EMPTY)


def test_a_missing_domain_is_told_beside_the_hits_of_the_others_on_every_page(client: Client) -> None:
    first = client.search(QUERY, domains=["asyncio", "nosuch"], page_size=2)
    second = client.search(QUERY, domains=["asyncio", "nosuch"], page_size=2, page_token=first.next_page_token)
    assert [len(page.hits) for page in (first, second)] == [2, 1]
    for page in (first, second):
        assert all(hit.document.domain == "asyncio" for hit in page.hits)
        (notice,) = page.notices
        assert notice.startswith(EMPTY)


def test_several_missing_domains_are_one_notice(client: Client) -> None:
    (notice,) = client.search(QUERY, domains=["nosuch", "csv", "neither"]).notices
    assert notice.startswith("domains: no document has any of the domains 'nosuch', 'neither'; ")


@pytest.mark.parametrize("domains", [[], ["asyncio"], ["csv", "json", "sqlite3"]])
def test_domains_that_documents_have_are_nothing_to_tell(client: Client, domains: list[str]) -> None:
    answer = client.search(QUERY, domains=domains)
    assert answer.hits
    assert list(answer.notices) == []


# Suggesting


@pytest.fixture(scope="module")
def searchless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose search service is away."""
    config = config_in(tmp_path_factory.mktemp("searchless"), search_address="127.0.0.1:9")
    roles = [role for role in RoleName if role is not RoleName.SEARCH]
    with running_system(config, system_clock, roles=roles) as running:
        yield running


def test_suggestions_without_search_say_so_and_draw_on_what_is_left(searchless: System) -> None:
    with Client(Addresses.of(searchless.config), timeout_s=30) as client:
        titled = reading("sue", "asyncio.gather")
        titled[0].attributes["title"] = "asyncio.gather"  # never indexed: its title says what it is about
        record_visibly(client, titled)
        answer = client.suggest("asyncio", user="sue")
    assert [each.text for each in answer.suggestions]
    assert list(answer.notices) == [f"the search service is unavailable: {WITHOUT_DOCUMENTS}"]
    assert answer.fallback_reason == ""  # that is about the language model


def test_the_stream_tells_it_in_its_summary(searchless: System) -> None:
    request = suggestion.StreamSuggestQueriesRequest(request=suggestion.SuggestQueriesRequest(query="asyncio"))
    *_, last = rpc(searchless.config, RoleName.SUGGESTION, "StreamSuggestQueries")(request)
    assert list(last.summary.notices) == [f"the search service is unavailable: {WITHOUT_DOCUMENTS}"]


def test_without_a_query_search_is_not_asked_and_not_missed(searchless: System) -> None:
    with Client(Addresses.of(searchless.config), timeout_s=30) as client:
        assert list(client.suggest("").notices) == []


def test_a_query_that_search_refuses_is_told_with_its_reason(client: Client) -> None:
    (notice,) = client.suggest("\u200b").notices
    assert notice.startswith("search refused the query (query: ")
    assert notice.endswith(f"): {WITHOUT_DOCUMENTS}")


def test_suggestions_with_documents_have_nothing_to_tell(client: Client) -> None:
    answer = client.suggest("asyncio queue")
    assert answer.suggestions
    assert list(answer.notices) == []


# The command line


def run(system: System, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    for role in ("embedding", "knowledge", "suggestion", "search"):
        monkeypatch.setenv(f"ATTUNE_{role.upper()}_ADDRESS", getattr(system.config, f"{role}_address"))
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def words(result: Result) -> str:
    """What was printed, however wide the terminal is."""
    return " ".join(result.output.split())


def test_the_commands_print_the_notices(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EMPTY in words(run(system, monkeypatch, "search", QUERY, "--domain", "nosuch"))
    assert "no document has" not in words(run(system, monkeypatch, "search", QUERY))
    assert WITHOUT_DOCUMENTS in words(run(system, monkeypatch, "suggest", "\u200b"))
    assert json.loads(run(system, monkeypatch, "search", QUERY, "--domain", "nosuch", "--json").stdout)["notices"]


def test_a_notice_is_printed_as_it_is_and_not_as_markup(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'[red]x[/red]'" in words(run(system, monkeypatch, "search", QUERY, "--domain", "[red]x[/red]"))


def test_index_prints_each_notice_once_however_many_batches_there_are(
    system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client
) -> None:
    file = tmp_path / "documents.jsonl"
    ids = [f"batch-{number}" for number in range(2 * 128 + 3)]
    file.write_text("".join(f"{json.dumps({'_id': each, 'title': 'x'})}\n" for each in ids))
    printed = words(run(system, monkeypatch, "index", str(file), "--domain", "cooking"))
    assert printed.count(f"of a batch of at most 128: 128 documents of domain 'cooking' were {BY_GENERAL}") == 1
    assert printed.count(f"of a batch of at most 128: 3 documents of domain 'cooking' were {BY_GENERAL}") == 1
    assert client.delete(ids) == len(ids)
