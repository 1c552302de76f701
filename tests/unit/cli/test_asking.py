"""`attune search`, `suggest` and `complete`: texts of strangers are printed as they are, the session is sent along."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.search.v1 import search_pb2 as search
from attune.services.cli import asking
from attune.services.cli.main import app
from attune.suggestion.v1 import suggestion_pb2 as suggestion

FOREIGN = "list[/int] [red]x"


def found() -> search.SearchResponse:
    answer = search.SearchResponse(notices=[FOREIGN])
    answer.personalization.reason = FOREIGN
    hit = answer.hits.add()
    hit.document.title = hit.explanation.summary = FOREIGN
    return answer


ANSWERS = {
    "search": found(),
    "suggest": suggestion.SuggestQueriesResponse(
        suggestions=[suggestion.Suggestion(text=FOREIGN, rationale=FOREIGN)], fallback_reason=FOREIGN, notices=[FOREIGN]
    ),
    "complete": suggestion.CompleteQueryResponse(
        completions=[suggestion.Completion(text=FOREIGN, source=suggestion.SUGGESTION_SOURCE_DOCUMENT)],
        notices=[FOREIGN],
    ),
}


Sent = dict[str, Any]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the last command asked the client with; what it is told is in `answers`."""
    noted: Sent = {"answers": dict(ANSWERS)}

    def answering(command: str) -> Callable[..., object]:
        def call(_text: str, **fields: object) -> object:
            noted.update(fields)
            return noted["answers"][command]

        return call

    @contextmanager
    def connected(_token: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(**{command: answering(command) for command in ANSWERS})

    monkeypatch.setattr(asking, "connect", connected)
    return noted


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(arguments), terminal_width=200, catch_exceptions=False, **options)


@pytest.mark.parametrize(("command", "times"), [("search", 4), ("suggest", 4), ("complete", 2)])
def test_no_text_is_taken_for_markup(sent: Sent, command: str, times: int) -> None:
    result = run(command, "query", "--user", "ada")
    assert result.exit_code == 0
    assert result.output.count(FOREIGN) == times


def test_without_options_there_is_no_session_and_any_path(sent: Sent) -> None:
    run("suggest", "query")
    assert (sent["context"], sent["path"]) == (Context(), "")


def test_the_page_belongs_to_what_was_asked_last(sent: Sent) -> None:
    options = ["--session", "s1", "-p", "first", "-p", "second", "--page-title", "A page", "--page-text", "Its text."]
    run("suggest", "query", *options, "--path", "ranker")
    turns = [Turn(query="first"), Turn(query="second", title="A page", text="Its text.")]
    assert sent["context"] == Context(session_id="s1", turns=turns)
    assert sent["path"] == "ranker"


def test_a_page_without_a_query_before_it_is_a_turn_of_its_own(sent: Sent) -> None:
    run("suggest", "--page-title", "A page")
    assert sent["context"] == Context(turns=[Turn(title="A page")])


def test_completions_know_the_session_too(sent: Sent) -> None:
    run("complete", "can", "--session", "s1", "--previous", "run tasks")
    assert sent["context"] == Context(session_id="s1", turns=[Turn(query="run tasks")])


@pytest.mark.parametrize("name", ["page.txt", "-"])
def test_the_page_is_read_from_a_file_or_standard_input(sent: Sent, tmp_path: Path, name: str) -> None:
    page = "\ufeffCaf\u00e9\nau lait".encode()
    (tmp_path / "page.txt").write_bytes(page)
    run("suggest", "--page-file", name if name == "-" else str(tmp_path / name), input=page)
    assert sent["context"].turns[0].text == "Caf\u00e9\nau lait"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--page-file", "nowhere.txt"], "--page-file: nowhere.txt cannot be read (No such file or directory)"),
        (["--page-file", "."], "--page-file: . cannot be read"),
        (["--page-file", "binary"], "--page-file: binary is not UTF-8"),
        (["--page-file", "binary", "--page-text", "x"], "give one of them"),
    ],
)
def test_a_page_that_cannot_be_read_is_one_sentence(
    sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary").write_bytes(b"\xff\xfe\x00")
    result = run("suggest", "query", *options)
    assert result.exit_code == 1
    assert sentence in " ".join(result.output.split())
    assert "context" not in sent


def test_another_path_is_refused_with_those_that_there_are(sent: Sent) -> None:
    result = run("suggest", "query", "--path", "oracle")
    assert result.exit_code == 2
    assert "ranker" in result.output
    assert "context" not in sent


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ([suggestion.SUGGESTION_PATH_RANKER] * 2, "by the ranker"),
        ([suggestion.SUGGESTION_PATH_LLM] * 2, "by the language model fake-1"),
        (
            [suggestion.SUGGESTION_PATH_LLM, suggestion.SUGGESTION_PATH_RANKER],
            "by the language model fake-1 (1) and the ranker (1)",
        ),
    ],
)
def test_it_is_told_who_answered(sent: Sent, by: list[Any], told: str) -> None:
    sent["answers"]["suggest"] = suggestion.SuggestQueriesResponse(
        suggestions=[suggestion.Suggestion(text=f"text {place}", path=each) for place, each in enumerate(by)],
        path=by[0],
        usage=suggestion.LlmUsage(model="fake-1"),
    )
    assert told in run("suggest", "query").output.splitlines()


def test_boosts_and_the_cross_encoder_are_asked_for_by_options(sent: Sent) -> None:
    run("search", "tea", "--boost", "fresh", "--boost", "popular=0", "--cross-encoder-candidates", "0")
    assert sent["boosts"] == {"fresh": None, "popular": 0.0}
    assert sent["cross_encoder_candidates"] == 0
    run("search", "tea")
    assert sent["boosts"] == {}
    assert sent["cross_encoder_candidates"] is None


def test_a_boost_whose_weight_is_no_number_is_named(sent: Sent) -> None:
    assert sent
    failed = run("search", "tea", "--boost", "fresh=much")
    assert failed.exit_code == 1
    assert "--boost fresh=much: 'much' is no number" in " ".join(failed.output.split())


def test_a_search_sends_its_session_its_strength_and_its_page(sent: Sent) -> None:
    options = ["--session", "s1", "-p", "run tasks", "--personalization", "0.5", "--page-token", "abc"]
    assert CliRunner().invoke(app, ["search", "and cancel them?", *options]).exit_code == 0
    assert sent["context"] == Context(session_id="s1", turns=[Turn(query="run tasks")], personalization=0.5)
    assert sent["page_token"] == "abc"


def test_a_search_leaves_the_strength_to_the_service_unless_it_is_given(sent: Sent) -> None:
    assert CliRunner().invoke(app, ["search", "run tasks"]).exit_code == 0
    assert not sent["context"].HasField("personalization")
    assert CliRunner().invoke(app, ["search", "run tasks", "--personalization", "3"]).exit_code == 2
