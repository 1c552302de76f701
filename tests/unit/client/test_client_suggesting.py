"""Suggestions in the client: who is asked to write them, and streams that are read, left and closed."""

from collections.abc import Iterator, Sequence

import pytest

from attune.services.client import Client, path_name
from attune.services.client.paths import path_number
from attune.services.client.suggesting import SuggestionStream
from attune.suggestion.v1 import suggestion_pb2 as pb


class Call:
    """Stands where gRPC's call does."""

    def __init__(self, answers: Sequence[pb.StreamSuggestQueriesResponse]) -> None:
        self._answers = iter(answers)
        self.is_cancelled = False

    def __iter__(self) -> Iterator[pb.StreamSuggestQueriesResponse]:
        return self._answers

    def cancel(self) -> bool:
        self.is_cancelled = True
        return True


def call(*texts: str) -> Call:
    given = [pb.StreamSuggestQueriesResponse(suggestion=pb.Suggestion(text=each)) for each in texts]
    summary = pb.SuggestQueriesResponse(path=pb.SUGGESTION_PATH_LLM)
    return Call([*given, pb.StreamSuggestQueriesResponse(summary=summary)])


def test_the_summary_is_there_when_all_are_read_and_is_no_suggestion() -> None:
    stream = SuggestionStream(call("first", "second"))
    assert [each.text for each in stream] == ["first", "second"]
    assert path_name(stream.summary.path) == "llm"
    assert list(stream) == []


def test_an_empty_list_has_a_summary_too() -> None:
    stream = SuggestionStream(call())
    assert list(stream) == []
    assert stream.summary.path == pb.SUGGESTION_PATH_LLM


def test_who_stops_reading_goes_on_where_they_were_and_has_no_summary_yet() -> None:
    stream = SuggestionStream(call("first", "second"))
    assert next(iter(stream)).text == "first"
    with pytest.raises(ValueError, match="read all of them first"):
        _ = stream.summary
    assert [each.text for each in stream] == ["second"]
    assert stream.summary


def test_the_service_stops_when_the_reader_does() -> None:
    asked = call("first", "second")
    with SuggestionStream(asked) as stream:
        next(iter(stream))
        assert not asked.is_cancelled
    assert asked.is_cancelled


@pytest.mark.parametrize("name", ["", "ranker", "llm"])
def test_paths_go_by_their_names(name: str) -> None:
    assert path_name(path_number(name)) == name


def test_there_is_no_other_path() -> None:
    with Client() as client, pytest.raises(ValueError, match="use one of ranker, llm"):
        client.suggest("query", path="oracle")
    with Client() as client, pytest.raises(ValueError, match="'LLM' is unknown"):
        client.suggest_stream("query", path="LLM")


def test_a_path_of_a_newer_service_has_no_name() -> None:
    assert path_name(99) == ""  # type: ignore[arg-type]
