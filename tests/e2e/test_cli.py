"""The commands against the running system, as programs use them: one JSON object on standard output."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.e2e.conftest import record_visibly, wait_until
from tests.e2e.material import QUERY, reading
from tests.e2e.process import ATTUNE, up
from typer.testing import CliRunner, Result

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.model import Summary, UserKey
from attune.knowledge_store.summarizing import summarize
from attune.services.cli.main import app
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.runtime.clock import system_clock
from attune.services.runtime.stores import open_existing_store

pytestmark = pytest.mark.e2e

Run = Callable[..., Result]


@pytest.fixture
def run(system: System, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command whose environment names the running system."""
    for role in ("embedding", "knowledge", "suggestion", "search"):
        monkeypatch.setenv(f"ATTUNE_{role.upper()}_ADDRESS", getattr(system.config, f"{role}_address"))
    runner = CliRunner()
    return lambda *arguments, **options: runner.invoke(app, list(arguments), **options)


def test_of_several_roles_that_are_named_each_is_up(tmp_path: Path) -> None:
    with up(tmp_path, "--role", "ingest", "--role", "knowledge") as running:
        assert list(running.announced["roles"]) == ["knowledge", "ingest"]


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def event_line(event: Any) -> str:
    """An event as people write it: with the short name of its type."""
    fields = MessageToDict(event, preserving_proto_field_name=True)
    fields["type"] = fields["type"].removeprefix("EVENT_TYPE_").lower()
    return f"{json.dumps(fields)}\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    directory = tmp_path / "Birds"
    directory.mkdir()
    lines = [{"_id": f"bird-{name}", "title": name, "text": f"The {name} is a bird."} for name in ("wren", "robin")]
    (directory / "corpus.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return directory


def test_index_adds_what_is_new_and_skips_the_rest(run: Run, corpus: Path, client: Client) -> None:
    assert printed(run("index", str(corpus), "--json"))["indexed"] == 2
    assert printed(run("index", str(corpus), "--json")) == {"unchanged": 2}
    assert client.search("wren", domains=["birds"]).hits[0].document.title == "wren"
    assert printed(run("index", str(corpus / "corpus.jsonl"), "--domain", "flyers", "--json"))["indexed"] == 2
    assert {hit.document.document_id for hit in client.search("robin", domains=["flyers"]).hits} == {
        "bird-wren",
        "bird-robin",
    }
    assert client.delete(["bird-wren", "bird-robin"]) == 2


def test_index_names_the_documents_that_were_refused(run: Run, tmp_path: Path, client: Client) -> None:
    file = tmp_path / "mixed.jsonl"
    lines = [{"_id": f"m-{number}", "title": "" if number == 130 else "title"} for number in range(132)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    answer = printed(run("index", str(file), "--json"))
    assert (answer["indexed"], answer["rejected_count"]) == (131, 1)
    (rejected,) = answer["rejected"]
    assert (rejected["index"], rejected["document_id"], rejected["field"]) == (130, "m-130", "document.text")
    assert "m-130" in run("index", str(file)).stdout
    client.delete([line["_id"] for line in lines])


def test_search_prints_hits_with_reasons(run: Run, client: Client) -> None:
    record_visibly(client, reading("cli-search", *["asyncio.timeout"] * 3))
    hits = printed(run("search", QUERY, "--user", "cli-search", "--limit", "3", "--json"))["hits"]
    assert len(hits) == 3
    assert hits[0]["document"]["title"] == "asyncio.gather"
    assert hits[0]["explanation"]["summary"].startswith("because you read about asyncio 3 times")
    narrowed = printed(run("search", QUERY, "--domain", "csv", "--domain", "json", "--json"))["hits"]
    assert {hit["document"]["domain"] for hit in narrowed} == {"csv", "json"}


def test_search_prints_a_table_for_people(run: Run) -> None:
    shown = run("search", QUERY, "--limit", "2")
    assert shown.exit_code == 0
    assert "document" in shown.stdout
    assert "why" in shown.stdout


def test_suggest_prints_queries(run: Run, client: Client) -> None:
    record_visibly(client, reading("cli-suggest", *["asyncio.Queue"] * 3))
    suggestions = printed(run("suggest", QUERY, "--user", "cli-suggest", "--limit", "2", "--json"))["suggestions"]
    assert len(suggestions) == 2
    assert all(each["text"] and each["rationale"] for each in suggestions)
    assert run("suggest", "--user", "cli-suggest").exit_code == 0


@pytest.mark.parametrize("from_standard_input", [False, True])
def test_events_are_sent_from_a_file_or_standard_input(
    run: Run, tmp_path: Path, client: Client, from_standard_input: bool
) -> None:
    user = f"cli-events-{from_standard_input}"
    lines = "\n".join(map(event_line, reading(user, "asyncio.gather", "asyncio.Queue")))
    file = tmp_path / "events.jsonl"
    file.write_text(lines)
    name, typed = ("-", lines) if from_standard_input else (str(file), "")
    for _ in range(2):
        assert printed(run("events", "send", name, "--json", input=typed))["accepted"] == 2
    wait_until(lambda: client.profile(user).events == 2)


def test_an_event_without_a_time_happened_now(run: Run, tmp_path: Path, client: Client) -> None:
    before = datetime.now(UTC)
    line = {"event_id": "cli-now", "user_id": "cli-now", "type": "click", "object_id": "asyncio.gather"}
    (tmp_path / "events.jsonl").write_text(json.dumps(line))
    assert printed(run("events", "send", str(tmp_path / "events.jsonl"), "--json"))["accepted"] == 1
    wait_until(lambda: client.profile("cli-now").events == 1)
    seen = {each.evidence.last_seen.ToDatetime(UTC) for each in client.entities("cli-now")}
    assert all(before <= each <= datetime.now(UTC) for each in seen)
    assert "0.00" not in run("user", "show", "cli-now").stdout


def test_refused_events_are_named_and_the_others_count(run: Run, tmp_path: Path) -> None:
    good, bad = reading("cli-refused", "asyncio.gather", "asyncio.Queue")
    bad.object_id = ""
    (tmp_path / "events.jsonl").write_text(event_line(good) + event_line(bad))
    answer = printed(run("events", "send", str(tmp_path / "events.jsonl"), "--json"))
    assert (answer["accepted"], answer["rejected_count"]) == (1, 1)
    assert answer["rejected"][0]["field"] == "object_id"
    assert "object_id" in run("events", "send", str(tmp_path / "events.jsonl")).stdout


def test_a_broken_line_sends_none_of_its_batch(run: Run, tmp_path: Path, client: Client) -> None:
    (good,) = reading("cli-broken", "asyncio.gather")
    (tmp_path / "events.jsonl").write_text(event_line(good) + "{broken\n")
    sent = run("events", "send", str(tmp_path / "events.jsonl"))
    assert sent.exit_code == 1
    assert "line 2" in sent.stderr
    record_visibly(client, reading("cli-after", "asyncio.gather"))
    assert client.profile("cli-broken").events == 0


def test_a_user_is_shown_exported_and_forgotten(run: Run, client: Client) -> None:
    read = ("asyncio.gather", "asyncio.Queue")
    record_visibly(client, reading("cli-user", *read))
    shown = printed(run("user", "show", "cli-user", "--json"))
    assert shown["profile"]["events"] == 2
    held = {each["entity_id"] for each in shown["entities"]}
    assert "asyncio" in held
    assert "asyncio" in run("user", "show", "cli-user").stdout
    lines = [json.loads(line) for line in run("user", "export", "cli-user").stdout.splitlines()]
    assert "profile" in lines[0]
    assert {line["entity"]["entity_id"] for line in lines if "entity" in line} == held
    assert {line["read_document"]["document_id"] for line in lines if "read_document" in line} == set(read)
    forgotten = printed(run("user", "forget", "cli-user", "--yes", "--json"))
    assert forgotten["removed"]["events"] == 2
    assert printed(run("user", "show", "cli-user", "--json"))["entities"] == []


def test_a_summary_is_shown_exported_and_forgotten(run: Run, system: System, client: Client) -> None:
    record_visibly(client, reading("cli-words", *["asyncio.gather"] * 4, "asyncio.Queue"))
    made = summarized(system, "cli-words")
    record_visibly(client, reading("cli-words", "json.loads", run="more-"))
    told = {**printed(run("user", "show", "cli-words", "--json"))["profile"]["summary"], "made_at": None}
    assert told == {"text": made.text, "version": 1, "events": 5, "made_at": None, "made_by": "store"}
    shown = " ".join(run("user", "show", "cli-words").stdout.split())
    assert f"summary 1 by store, made {made.made_at:%Y-%m-%d}, events since: 1 {made.text}" in shown
    lines = [json.loads(line) for line in run("user", "export", "cli-words").stdout.splitlines()]
    assert [line["summary"]["text"] for line in lines if "summary" in line] == [made.text]
    assert "summary" not in lines[0]["profile"]
    assert client.profile("cli-words").summary.made_at.ToDatetime(UTC) == made.made_at
    assert client.forget("cli-words").removed["summaries"] == 1
    assert not client.profile("cli-words").HasField("summary")


def summarized(system: System, user: str) -> Summary:
    """Of this user alone, by the store's words."""
    with closing(open_existing_store(system.config)) as store:
        made = summarize(store, Catalog.load(system.config.catalog), UserKey("default", user), system_clock())
    assert made is not None
    return made


def test_what_a_user_allows_is_shown_and_changed(run: Run, client: Client) -> None:
    assert {each["granted"] for each in printed(run("user", "consent", "cli-consent", "--json"))["consents"]} == {True}
    assert run("user", "consent", "cli-consent").stdout.count("by default") == 5
    changed = printed(run("user", "consent", "cli-consent", "--withdraw", "learning", "--grant", "ranking", "--json"))
    assert [(each["purpose"], each["granted"]) for each in changed["consents"]][:3] == [
        ("learning", False),
        ("ranking", True),
        ("suggestion", True),
    ]
    assert [each.granted for each in client.consents("cli-consent")] == [False, True, True, True, True]
    assert run("user", "consent", "cli-consent").stdout.count("by default") == 3
    refused = run("user", "consent", "cli-consent", "--grant", "fun")
    assert refused.exit_code == 2
    assert "'statistics'" in refused.output


def test_forgetting_asks_and_no_is_no(run: Run, client: Client) -> None:
    record_visibly(client, reading("cli-kept", "asyncio.gather"))
    assert run("user", "forget", "cli-kept", input="n\n").exit_code == 1
    assert client.profile("cli-kept").events == 1
    assert run("user", "forget", "cli-kept", input="y\n").exit_code == 0
    assert client.profile("cli-kept").events == 0


@pytest.mark.parametrize(
    "command",
    [("search", QUERY), ("search", QUERY, "--json"), ("user", "show", "cli-gone", "--json"), ("suggest", "--json")],
    ids=" ".join,
)
def test_a_reader_that_left_ends_a_command_quietly(run: Run, command: tuple[str, ...]) -> None:  # run names the servers
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(  # noqa: S603 - our own program
        [*ATTUNE, *command], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("search", "  "), "query: "),
        (("search", "x", "--user", "a/b"), "user_id: "),
        (("suggest", "x", "--user", "a/b"), "user_id: "),
        (("user", "show", "a/b"), "user_id: "),
        (("user", "export", "a/b"), "user_id: "),
        (("user", "forget", "a/b", "--yes"), "user_id: "),
        (("user", "consent", "a/b"), "user_id: "),
        (("user", "consent", "u", "--grant", "summary", "--withdraw", "summary"), "choices[1].purpose: "),
    ],
)
def test_what_a_service_refuses_is_one_sentence_and_exit_status_1(
    run: Run, command: tuple[str, ...], named: str
) -> None:
    refused = run(*command)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"attune: INVALID_ARGUMENT: {named}")
    assert refused.stderr.count("\n") == 1
