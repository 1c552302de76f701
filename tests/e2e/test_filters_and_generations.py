"""Filters, principals and generations through the services: a system of its own, since an index is built anew."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from tests.e2e.conftest import config_in
from tests.e2e.refusals import refused
from typer.testing import CliRunner

from attune.search.v1 import search_pb2 as pb
from attune.services.cli.background import running_system
from attune.services.cli.main import app
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.logs import configure_logs

pytestmark = pytest.mark.e2e
SINCE_2020 = ParseDict({"condition": {"field": "year", "range": {"gte": {"number": 2020}}}}, pb.Filter())


@pytest.fixture(scope="module")
def fielded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    configure_logs("error")
    config = config_in(tmp_path_factory.mktemp("fielded"), search_fields="year:number, at:time, open:boolean")
    with running_system(config, system_clock) as running:
        yield running


@pytest.fixture
def own(fielded: System) -> Iterator[Client]:
    with Client(Addresses.of(fielded.config), timeout_s=30) as made:
        yield made


def document(document_id: str, year: float, *principals: str, domain: str = "d") -> pb.Document:
    found = pb.Document(document_id=document_id, title=f"heron {document_id}", domain=domain, principals=principals)
    found.fields["year"].number = year
    return found


def ids(answer: pb.SearchResponse) -> set[str]:
    return {hit.document.document_id for hit in answer.hits}


def test_a_search_is_filtered_and_what_is_not_declared_is_named(own: Client) -> None:
    assert not own.index([document("f-old", 1999), document("f-new", 2024)]).rejected
    answer = own.search("heron", filter=SINCE_2020, domains=["d"])
    assert ids(answer) == {"f-new"}
    assert answer.hits[0].document.fields["year"].number == 2024
    wrong = ParseDict({"not": {"condition": {"field": "colour", "exists": True}}}, pb.Filter())
    refusal = refused(lambda: own.search("heron", filter=wrong))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["filter.not.condition.field"])
    assert "ATTUNE_SEARCH_FIELDS declares year (number), at (time), open (boolean)" in refusal.sentence


def test_a_document_with_a_field_that_is_not_declared_is_refused_by_itself(own: Client) -> None:
    wrong = document("f-wrong", 1)
    wrong.fields["colour"].keyword = "blue"
    typed = document("f-typed", 1)
    typed.fields["open"].keyword = "yes"
    answer = own.index([wrong, document("f-right", 1), typed])
    assert answer.indexed == 1
    assert [each.field for each in answer.rejected] == ["document.fields[colour]", "document.fields[open]"]
    assert "the field 'open' is declared as boolean, and this is a keyword" in answer.rejected[1].reason


def test_a_page_of_another_filter_is_refused(own: Client) -> None:
    own.index([document(f"p-{i}", 2020 + i, domain="pages") for i in range(3)])
    first = own.search("heron", filter=SINCE_2020, domains=["pages"], page_size=1)
    second = own.search("heron", filter=SINCE_2020, domains=["pages"], page_size=1, page_token=first.next_page_token)
    assert ids(first).isdisjoint(ids(second))
    for other in ({}, {"filter": SINCE_2020, "principals": ["a"]}, {"filter": SINCE_2020, "languages": ["de"]}):
        with pytest.raises(grpc.RpcError, match="was made for another request"):
            own.search("heron", domains=["pages"], page_size=1, page_token=first.next_page_token, **other)


def test_nothing_tells_of_a_document_that_the_caller_may_not_see(own: Client) -> None:
    own.index([document("a-all", 1, domain="open"), document("a-board", 1, "board", domain="takeovers")])
    assert "a-board" not in ids(own.search("heron a-board", principals=["staff"]))
    hidden = own.search("heron", domains=["takeovers"])
    nothing = own.search("heron", domains=["nosuch"])
    assert not hidden.hits
    assert [each.replace("takeovers", "nosuch") for each in hidden.notices] == list(nothing.notices)
    seen = own.search("heron", domains=["takeovers"], principals=["board", "staff"])
    assert ids(seen) == {"a-board"}
    assert not seen.hits[0].document.principals


def test_an_index_is_built_anew_while_it_serves(own: Client, fielded: System, tmp_path: Path) -> None:
    lines = [
        {"_id": "g-1", "title": "heron of the file", "fields": {"year": 2021, "at": "2026-01-31T12:00:00Z"}},
        {"_id": "g-2", "title": "heron of the file"},
        {"_id": "g-3", "title": "heron of the file", "fields": {"colour": "blue"}},
    ]
    file = tmp_path / "rebuilt.jsonl"
    own.index([document("g-1", 1, domain="before"), document("g-0", 1, domain="before")])
    run = CliRunner(
        env={f"ATTUNE_{role}_ADDRESS": getattr(fielded.config, f"{role.lower()}_address") for role in ROLES}
    )
    run.env |= {"ATTUNE_SEARCH_FIELDS": fielded.config.search_fields}

    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    begun = run.invoke(app, ["index", str(file), "--rebuild"])
    assert begun.exit_code == 0, begun.output
    assert "refused 1" in begun.output
    assert "does not serve yet" in begun.output
    serving, building = own.generations()
    assert (building.state, building.documents) == (pb.GENERATION_STATE_BUILDING, 2)
    own.index([document("g-2", 2022, domain="news")])
    own.delete(["g-0"])
    assert ids(own.search("heron", domains=["before", "news"])) == {"g-1", "g-2"}

    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines[:2]))
    done = run.invoke(app, ["index", str(file), "--rebuild", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["generation"]["name"] == building.name
    (now,) = own.generations()
    assert (now.name, now.state, now.documents) == (building.name, pb.GENERATION_STATE_SERVING, 2)
    answer = own.search("heron")
    assert {hit.document.document_id: hit.document.title for hit in answer.hits} == {
        "g-1": "heron of the file",
        "g-2": "heron g-2",
    }
    (dated,) = [hit.document for hit in answer.hits if hit.document.document_id == "g-1"]
    assert dated.fields["at"].time.ToDatetime(UTC) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(grpc.RpcError, match=f"'{serving.name}' is not being built"):
        own.index([document("g-9", 1)], generation=serving.name)
    listed = run.invoke(app, ["generations", "list", "--json"])
    assert [each["name"] for each in json.loads(listed.stdout)] == [now.name]
    assert run.invoke(app, ["generations", "drop", now.name]).exit_code == 1
    assert json.loads(run.invoke(app, ["generations", "activate", now.name, "--json"]).stdout)["documents"] == 2


ROLES = ("EMBEDDING", "KNOWLEDGE", "SUGGESTION", "SEARCH")
