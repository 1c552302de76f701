"""The language model's answers: a good one is taken, every other one is an LlmError that says what was wrong."""

import json

import pytest
from tests.fakes.llm_server import Answer, LlmServer, completion, llm_server, raw, status, suggestions

from attune.services.runtime.llm import LlmError
from attune.services.suggestion.known import Situation
from attune.services.suggestion.llm import OpenAiWriter

SITUATION = Situation("run tasks", ("threads",), "title", "text", (), ())


@pytest.fixture
def server():
    with llm_server() as state:
        yield state


async def write(server: LlmServer, limit: int = 5, timeout_s: float = 5):
    writer = OpenAiWriter(server.base_url, "fake-1", "key")
    try:
        return await writer.write(SITUATION, limit, timeout_s)
    finally:
        await writer.close()


async def test_a_good_answer_is_taken_with_its_usage(server: LlmServer) -> None:
    server.answer = suggestions("asyncio tasks", "task groups")
    answer = await write(server)
    assert [each.text for each in answer.suggestions] == ["asyncio tasks", "task groups"]
    assert (answer.model, answer.prompt_tokens, answer.completion_tokens) == ("fake-1", 100, 20)


async def test_the_prompt_reaches_the_model(server: LlmServer) -> None:
    await write(server)
    assert '"run tasks"' in server.requests[0]["messages"][0]["content"]
    assert server.requests[0]["model"] == "fake-1"


async def test_repetitions_of_the_session_and_of_each_other_are_dropped(server: LlmServer) -> None:
    server.answer = suggestions("Run  Tasks", "threads", "new", "NEW", "newer")
    assert [each.text for each in (await write(server)).suggestions] == ["new", "newer"]


async def test_no_more_than_asked_for(server: LlmServer) -> None:
    server.answer = suggestions(*(f"query {number}" for number in range(500)))
    assert len((await write(server, limit=3)).suggestions) == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"query": "x" * 201},
        {"query": "fine", "rationale": "x" * 1001},
        {"query": ""},
        {"query": 7},
        {"query": None},
        {"text": "another form"},
        "a bare text",
        None,
        ["nested"],
    ],
    ids=["endless", "endless rationale", "empty", "number", "null", "no query", "text", "nothing", "list"],
)
async def test_one_bad_suggestion_does_not_cost_the_others(server: LlmServer, bad: object) -> None:
    listed = [{"query": "first"}, bad, {"query": "x" * 200, "rationale": "just short enough"}]
    server.answer = completion(json.dumps({"suggestions": listed}))
    assert [each.text for each in (await write(server)).suggestions] == ["first", "x" * 200]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (completion("Sure! Here are some ideas."), "did not answer with the JSON"),
        (completion(json.dumps({"suggestions": []})), "did not answer with the JSON"),
        (completion(json.dumps({"suggestions": [{"query": "x" * 300}]})), "did not answer with the JSON"),
        (completion(json.dumps({"suggestions": ["a", None, {"query": 1}]})), "did not answer with the JSON"),
        (completion(json.dumps({"suggestions": "a"})), "did not answer with the JSON"),
        (completion(json.dumps(["a"])), "did not answer with the JSON"),
        (completion(""), "answered with nothing"),
        (suggestions("run tasks"), "only repeated the session"),
        (status(500), "HTTP status 500"),
        (status(401), "HTTP status 401"),
        (raw(b"<html>"), "not its protocol"),
        (raw(b"{}"), "answered with nothing"),
        (raw(b'{"choices": [{"message": null}]}'), "answered with nothing"),
        (raw(b'{"choices": [{"message": {"content": ["a"]}}]}'), "answered with nothing"),
    ],
    ids=[
        "prose",
        "empty list",
        "endless query",
        "only bad ones",
        "no list",
        "wrong shape",
        "empty",
        "repetition",
        "500",
        "401",
        "html",
        "no choices",
        "no message",
        "a list",
    ],
)
async def test_a_bad_answer_is_an_error_that_says_why(server: LlmServer, answer: Answer, sentence: str) -> None:
    server.answer = answer
    with pytest.raises(LlmError, match=sentence):
        await write(server)


async def test_a_slow_model_is_given_up(server: LlmServer) -> None:
    server.delay_s = 60
    with pytest.raises(LlmError, match=r"within 0\.2 s"):
        await write(server, timeout_s=0.2)


async def test_a_server_that_is_not_there(server: LlmServer) -> None:
    server.base_url = "http://127.0.0.1:9/v1"
    with pytest.raises(LlmError, match="cannot be reached"):
        await write(server)
