"""`attune search`, `suggest` and `complete`: what strangers wrote is printed as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

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


@pytest.mark.parametrize(("command", "times"), [("search", 4), ("suggest", 4), ("complete", 2)])
def test_no_text_is_taken_for_markup(monkeypatch: pytest.MonkeyPatch, command: str, times: int) -> None:
    @contextmanager
    def connected(_token: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(**{command: lambda *_, **__: ANSWERS[command]})

    monkeypatch.setattr(asking, "connect", connected)
    result = CliRunner().invoke(app, [command, "query", "--user", "ada"], terminal_width=200, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.count(FOREIGN) == times
