"""Completions: what is offered, in which order, for whom, and what is not."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import grpc
import pytest
from tests.unit.suggestion.queries.asking import by_many, count

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.knowledge_store.retrieval import Mode
from attune.services.runtime.call import Call, enter_call
from attune.services.suggestion.completion.completer import Completed, Completer
from attune.services.suggestion.completion.typos import corrected, is_near
from attune.services.suggestion.gateways.knowledge import Acquainted
from attune.services.suggestion.known import KnownEntity
from attune.services.suggestion.queries.live import LiveQueries
from attune.services.suggestion.queries.model import QueryStatistics
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.suppression import Suppression, fingerprint

ASKED = {
    "python asyncio": 9,
    "python queue": 8,
    "pytest fixtures": 7,
    "Pandas merge": 6,
    "java queue": 5,
    "bad python": 5,
}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LATE = [
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
]


def error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


@dataclass
class Services:
    """Stands where the gateways do."""

    entities: Sequence[KnownEntity] = ()
    titled: Sequence[str] = ()
    removed: Sequence[str] = ()
    until: datetime | None = None
    is_withheld: bool = False
    knowledge_error: grpc.StatusCode | None = None
    entities_error: grpc.StatusCode | None = None
    search_error: grpc.StatusCode | None = None
    asked: list[str] = field(default_factory=list)

    async def own_entities(self, user: str, limit_s: float) -> Acquainted:
        self.asked.append(f"entities of {user} in {limit_s}")
        if self.entities_error:
            raise error(self.entities_error)
        return Acquainted(() if self.is_withheld else self.entities, is_withheld=self.is_withheld)

    async def suppression(self, user: str, limit_s: float) -> Suppression:
        self.asked.append(f"suppression of {user} in {limit_s}")
        if self.knowledge_error:
            raise error(self.knowledge_error)
        return Suppression(frozenset(map(fingerprint, self.removed)), self.until)

    async def titles(self, text: str, limit_s: float) -> Sequence[str]:
        self.asked.append(f"titles of {text} in {limit_s}")
        if self.search_error:
            raise error(self.search_error)
        return self.titled


def entity(label: str, mode: Mode = Mode.FAMILIAR, score: float = 1.0, *aliases: str) -> KnownEntity:
    return KnownEntity(label, label, mode, score, last_seen=LONG_AGO, aliases=aliases)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., "Asking"]:
    log = [each for text, users in ASKED.items() for each in by_many(text, users)]
    log += [each for text, minute in (("sql join", 100), ("python sqlite", 101)) for each in by_many(text, 5, minute)]
    count(tmp_path, log, link=str.split)
    return lambda services=None, denied=(): Asking(tmp_path, services or Services(), denied)


class Asking:
    def __init__(self, directory: Path, services: Services, denied: Sequence[str]) -> None:
        enter_call(Call("complete", "acme", monotonic() + 10))
        self.now = 0.0
        queries = LiveQueries(directory)
        self.completer = Completer(services, services, queries, Screen(denied), 0.05, lambda: self.now)  # type: ignore[arg-type]

    async def __call__(self, prefix: str, user: str = "", *session: str, limit: int = 10) -> list[str]:
        return [each.candidate.text for each in (await self.whole(prefix, user, *session, limit=limit)).completions]

    async def whole(self, prefix: str, user: str = "", *session: str, limit: int = 10) -> Completed:
        context = Context(turns=[Turn(query=each) for each in session])
        return await self.completer.complete(user, prefix, context, limit)


async def test_nobody_gets_what_most_users_asked(ask):
    assert await ask()("PY") == ["python asyncio", "python queue", "pytest fixtures", "python sqlite"]
    assert await ask()("python ", limit=2) == ["python asyncio", "python queue"]
    assert (await ask()(""))[:2] == ["python asyncio", "python queue"]
    assert await ask()("pandas  MERGE") == []  # it is whole already
    assert await ask()("zzz") == await ask()("%") == []
    assert await ask()("\0") == await ask()("")  # nothing that is seen was typed


async def test_what_a_user_knows_comes_first_and_entities_are_completed_at_any_word(ask):
    services = Services([entity("queue", score=5), entity("pyramid"), entity("task py", Mode.LAPSED), entity("other")])
    found = await ask(services)("py", "ada")
    assert found.index("python queue") < found.index("python asyncio")
    assert {"pyramid", "task py"} <= set(found)
    assert "other" not in found


async def test_the_session_brings_forward_what_shares_its_words_and_what_others_asked_next(ask):
    assert (await ask()("py", "", "java queue"))[0] == "python queue"
    assert (await ask()("py", "", "sql join"))[0] == "python sqlite"
    assert "python sqlite" in await ask()("", "", "sql join")


async def test_an_entity_is_completed_by_its_other_names_and_told_by_its_label(ask):
    snake = entity("snake", Mode.FAMILIAR, 1.0, "Boa constrictor", "the Pyramid of pythons")
    assert await ask(Services([snake]))("boa", "ada") == ["snake"]
    assert await ask(Services([snake]))("constr", "ada") == ["snake"]
    assert await ask(Services([snake]))("boa constrictor", "ada") == ["snake"]  # whole, but by another name
    assert await ask(Services([snake]))("bao c", "ada") == ["snake"]  # a slip
    assert await ask(Services([snake]))("snake", "ada") == []
    assert await ask(Services([snake], removed=["Snake"]))("boa", "ada") == []
    assert await ask(Services([snake]), ["snake"])("boa", "ada") == []
    assert await ask(Services([snake], until=LONG_AGO))("boa", "ada") == []


async def test_the_label_that_was_typed_comes_before_the_other_name_of_another_entity(ask):
    services = Services(
        [entity("zebra crossing", Mode.FAMILIAR, 1.0), entity("area", Mode.FAMILIAR, 1.0, "zebra zone")]
    )
    assert await ask(services)("zebra", "ada") == ["zebra crossing", "area"]


async def test_with_nothing_typed_own_topics_take_at_most_half_of_the_places(ask):
    services = Services([entity(f"topic {n}", Mode.LAPSED, 10 - n) for n in range(9)])
    found = await ask(services)("  ", "ada", limit=4)
    assert found[:2] == ["topic 0", "topic 1"]
    assert found[2:] == ["python asyncio", "python queue"]


async def test_scores_fall_from_the_first_place_to_the_last(ask):
    """Also where the strongest of the user's own is not what most ask for."""
    services = Services([entity("rare topic", score=10), entity("python", score=9), entity("queue", score=1)])
    for typed in ("", "py"):
        scores = [each.score for each in (await ask(services).whole(typed, "ada")).completions]
        assert len(scores) > 3
        assert scores == sorted(scores, reverse=True)


async def test_a_slip_of_the_finger_is_mended_where_nothing_else_fits(ask):
    for typed in ("pxthon", "pyhton", "pythoon a", "pythn", "oython"):
        found = await ask()(typed)
        assert ("python asyncio" in found) == (typed != "oython"), typed
    assert await ask()("pxt") == []  # too short
    assert "pyramid scheme" in await ask(Services([entity("pyramid scheme")]))("pyrmaid", "ada")


async def test_titles_are_offered_where_a_word_begins_so(ask):
    services = Services(titled=["Asyncio queues", "Using python", "unrelated", "Python " + "very " * 12 + "long"])
    assert await ask(services)("asy") == ["Asyncio queues"]
    assert (await ask(services)("pyth"))[-1] == "Using python"
    await ask(services)("as")
    assert services.asked == ["titles of asy in 0.05", "titles of pyth in 0.05"]


async def test_removed_screened_and_withheld_things_are_not_offered(ask):
    services = Services([entity("pyramid"), entity("bad pyre")], removed=["Python  Asyncio"])
    found = await ask(services, ["bad"])("py", "ada")
    assert "pyramid" in found
    assert not {"python asyncio", "bad pyre", "bad python"} & set(found)
    services.is_withheld = True
    whole = await ask(services).whole("py", "ada")
    assert "pyramid" not in {each.candidate.text for each in whole.completions}
    assert whole.notices[0].startswith("user_id: these completions draw on queries of others")
    assert await ask(services, ["bad"])("bad") == []


async def test_files_are_looked_at_beside_the_event_loop(ask, monkeypatch):
    asking, looked = ask(), []
    of = LiveQueries.of

    def noting(self: LiveQueries, tenant: str) -> QueryStatistics:
        looked.append((tenant, threading.current_thread()))
        return of(self, tenant)

    monkeypatch.setattr(LiveQueries, "of", noting)
    assert await asking("python ")
    assert [tenant for tenant, _ in looked] == ["acme"]
    assert looked[0][1] is not threading.current_thread()


async def test_what_cannot_be_seen_neither_hides_completions_nor_is_shown(ask):
    services = Services(titled=["\u202epython packaging"])
    assert await ask(services)("\ufeffpython pack") == ["python packaging"]


async def test_what_the_user_did_before_removing_their_history_is_not_drawn_from(ask):
    services = Services([entity("pyramid")], until=LONG_AGO)
    assert "pyramid" not in await ask(services)("py", "ada")


async def test_of_whom_no_personalization_is_wanted_only_removals_are_asked(ask):
    services = Services([entity("pyramid")], removed=["python asyncio"])
    found = await ask(services).completer.complete("ada", "py", Context(personalization=0), 10)
    assert services.asked == ["suppression of ada in 0.05"]
    assert not {"pyramid", "python asyncio"} & {each.candidate.text for each in found.completions}


# Others that fail


@pytest.mark.parametrize("code", LATE)
async def test_without_the_users_removals_nothing_is_offered(ask, code):
    whole = await ask(Services(knowledge_error=code)).whole("py", "ada")
    assert whole.completions == []
    assert whole.notices[0].startswith("the knowledge service did not answer in time")
    assert (await ask(Services(knowledge_error=code)).whole("py")).completions  # nobody has removed anything


@pytest.mark.parametrize("code", LATE)
async def test_without_the_users_entities_others_complete_what_the_user_has_not_removed(ask, code):
    services = Services([entity("pyramid")], removed=["python asyncio"], entities_error=code)
    whole = await ask(services).whole("py", "ada")
    assert [each.candidate.text for each in whole.completions][:2] == ["python queue", "pytest fixtures"]
    assert [each.candidate.text for each in whole.completions].count("pyramid") == 0
    assert whole.notices == [
        "the knowledge service did not answer in time: these completions draw on nothing of what is known of the user"
    ]


@pytest.mark.parametrize("code", LATE)
async def test_slow_search_is_left_alone_for_a_while(ask, code):
    services = Services(search_error=code)
    asking = ask(services)
    first = await asking.whole("pyt")
    assert first.notices == ["the search service did not answer in time: these completions draw on no documents"]
    assert first.completions
    assert (await asking.whole("pyth")).notices == first.notices
    assert (await asking.whole("py")).notices == []  # too short for documents anyway
    asking.now = 5.0
    await asking.whole("pytho")
    assert services.asked == ["titles of pyt in 0.05", "titles of pytho in 0.05"]


async def test_a_text_that_search_refuses_is_completed_without_it(ask):
    whole = await ask(Services(search_error=grpc.StatusCode.INVALID_ARGUMENT)).whole("pyt")
    assert whole.completions
    assert whole.notices == []


@pytest.mark.parametrize("field_of", ["knowledge_error", "entities_error", "search_error"])
async def test_other_errors_are_the_callers_to_know(ask, field_of):
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(Services(**{field_of: grpc.StatusCode.UNAUTHENTICATED}))("pyt", "ada")


# Slips


@pytest.mark.parametrize(
    ("typed", "text", "near"),
    [
        ("asynco", "asyncio queue", True),
        ("asnycio", "asyncio", True),
        ("asyncioo", "asyncio", True),
        ("quue", "asyncio.queue", True),
        ("xsyncio", "asyncio", False),
        ("asnyico", "asyncio", False),
        ("", "", False),
    ],
)
def test_one_slip_away(typed, text, near):
    assert is_near(typed, text) == near


def test_corrections_are_found_in_other_scripts(tmp_path):
    count(tmp_path, by_many("\u043c\u043e\u0441\u043a\u0432\u0430 \u043f\u043e\u0433\u043e\u0434\u0430", 5))
    found = corrected("\u043c\u043e\u0441\u0432\u043a", LiveQueries(tmp_path).of("acme"))
    assert "\u043c\u043e\u0441\u043a\u0432" in found
