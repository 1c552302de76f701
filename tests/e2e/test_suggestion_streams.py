"""Many streams of suggestions at once, and models that are slower than anybody waits."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.e2e.conftest import record_visibly
from tests.e2e.material import reading
from tests.e2e.suggesting import client_of, suggestion_role
from tests.fakes.llm_server import Reply, completion, held_back, listed, llm_server, status, streamed, suggestions

from attune.services.cli.system import System
from attune.services.client import Client, path_name
from attune.suggestion.v1 import suggestion_pb2 as pb

pytestmark = pytest.mark.e2e

STREAMS = 200
LIMIT = 3
WRITTEN = ("asyncio queue maxsize", "asyncio queue shutdown", "cancel a task of asyncio")
KINDS = ("well", "cut", "failing", "prose")


@pytest.fixture(scope="module")
def user(system: System) -> str:
    """Somebody of whom the ranker has always something to suggest."""
    with client_of(system) as client:
        record_visibly(client, reading("streams", *["asyncio.Queue", "asyncio.gather"] * 3))
    return "streams"


class Moody:
    """A model that answers by what stands in the query; well, its answer goes on once it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, request: dict[str, Any]) -> Reply:
        prompt = request["messages"][0]["content"]
        answers = {
            "well": held_back(*WRITTEN, until=self.go_on),
            "cut": streamed(listed(*WRITTEN[:2])[:-3], breaks=True),
            "failing": status(500),
            "prose": completion("Sure! You could ask about queues."),
        }
        (kind,) = [each for each in KINDS if f"{each} asyncio" in prompt]
        return answers[kind](request)


def test_two_hundred_streams_at_once_each_give_what_there_is_and_say_who_wrote_it(system: System, user: str) -> None:
    """No stream can end before all have given their first suggestion: the models are held back until then."""
    model = Moody()
    with ExitStack() as up:
        server = up.enter_context(llm_server())
        server.answer = model
        settings = {"llm_timeout_s": 300, "llm_breaker_failures": 10_000, "llm_retries": 0}
        alone = up.enter_context(suggestion_role(system, llm_base_url=server.base_url, **settings))
        client = up.enter_context(client_of(alone, timeout_s=300))
        kinds = [KINDS[number % len(KINDS)] for number in range(STREAMS)]
        streams = [
            up.enter_context(client.suggest_stream(f"{kind} asyncio {number}", user=user, limit=LIMIT))
            for number, kind in enumerate(kinds)
        ]
        first = [next(iter(each), None) for each in streams]
        model.go_on.set()
        rest = [list(each) for each in streams]
        summaries = [each.summary for each in streams]
    seen = {kind: set() for kind in KINDS}
    for kind, one, more, summary in zip(kinds, first, rest, summaries, strict=True):
        seen[kind].add((path_name(summary.path), *_writers([one, *more]), summary.fallback_reason))
    assert seen == {
        "well": {("llm", "llm", "llm", "")},
        "cut": {("llm", "llm", "ranker", "the language model's server broke off in the middle of its answer")},
        "failing": {("ranker", "ranker", "ranker", "the language model's server answered with HTTP status 500")},
        "prose": {
            ("ranker", "ranker", "ranker", "the language model did not answer with the JSON that it was asked for")
        },
    }
    assert all(len(more) == LIMIT - 1 for kind, more in zip(kinds, rest, strict=True) if kind == "well")
    assert len({each.suggestions_id for each in summaries}) == STREAMS


def _writers(given: list[pb.Suggestion | None]) -> tuple[str, str]:
    """Who wrote the first, and who all others; those that the ranker finds are fewer while search is busy."""
    one, *more = (path_name(each.path) if each else "nobody" for each in given)
    return one, "/".join(sorted(set(more))) or "ranker"


# Slower than anybody waits


@pytest.fixture
def impatient(system: System) -> Iterator[tuple[Client, Any]]:
    """A role that waits half a second for its model, and that model's server."""
    with (
        llm_server() as server,
        suggestion_role(system, llm_base_url=server.base_url, llm_timeout_s=0.5, llm_breaker_failures=1000) as alone,
        client_of(alone) as client,
    ):
        yield client, server


@pytest.mark.parametrize("path", ["", "llm"], ids=["any", "llm"])
def test_the_ranker_answers_for_a_model_that_is_too_slow(impatient: tuple[Client, Any], user: str, path: str) -> None:
    client, server = impatient
    server.delay_s = 600
    answer = client.suggest("asyncio", user=user, limit=LIMIT, path=path)
    assert path_name(answer.path) == "ranker"
    assert len(answer.suggestions) == LIMIT
    assert all(path_name(each.path) == "ranker" and each.token for each in answer.suggestions)
    assert answer.fallback_reason == "the language model did not answer within 0.5 s"
    assert answer.usage.attempts == len(server.requests) == 1
    assert answer.timings.llm_ms >= 500


def test_what_a_slow_model_has_written_stays_and_the_ranker_writes_the_rest(
    impatient: tuple[Client, Any], user: str
) -> None:
    client, server = impatient
    server.answer = streamed(listed(*WRITTEN[:2])[:-3], hangs=True)
    with client.suggest_stream("asyncio", user=user, limit=LIMIT) as stream:
        given = list(stream)
    assert given[0].text == WRITTEN[0]
    assert [path_name(each.path) for each in given] == ["llm", "ranker", "ranker"]
    assert path_name(stream.summary.path) == "llm"
    assert stream.summary.fallback_reason == "the language model did not answer within 0.5 s"


def test_who_stops_listening_stops_the_model_and_not_the_next_one(impatient: tuple[Client, Any], user: str) -> None:
    client, server = impatient
    server.answer = streamed(listed(*WRITTEN[:2])[:-3], hangs=True)
    with client.suggest_stream("asyncio", user=user, limit=LIMIT) as stream:
        assert next(iter(stream)).text == WRITTEN[0]
    server.answer = suggestions(*WRITTEN)
    answer = client.suggest("asyncio", user=user, limit=LIMIT)
    assert [each.text for each in answer.suggestions] == list(WRITTEN)
