"""The fallback is made while the language model writes, so that it is there when that fails."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge_store.retrieval import Mode
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.llm import LlmError
from attune.services.suggestion.gateways.knowledge import Acquainted
from attune.services.suggestion.gateways.search import Retrieved
from attune.services.suggestion.known import KnownEntity, Source
from attune.services.suggestion.ranking.candidates import Candidate
from attune.services.suggestion.ranking.encoder import Embedded
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.ranker import Ranked
from attune.services.suggestion.ranking.serving import RankerPath, Ranking
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.situating import Situating
from attune.services.suggestion.suggester import Outcome, Suggester, Wish
from attune.services.suggestion.suppression import Suppression
from attune.services.suggestion.writing.model import Account, Task, Written


class Gateway:
    def __init__(self, known: list[KnownEntity], summary: str = "", until: datetime | None = None) -> None:
        self._known = known
        self._summary = summary
        self._until = until
        self.searched_for: list[str] = []
        """The users, as search was asked."""

    async def retrieved(self, user: str, *_: object) -> Retrieved:
        self.searched_for.append(user)
        return Retrieved()

    async def entities(self, *_: object) -> Acquainted:
        return Acquainted(self._known, [replace(each, entity_id=f"own {each.entity_id}") for each in self._known])

    async def entities_of_documents(self, *_: object) -> Acquainted:
        return Acquainted()

    async def suppression(self, *_: object) -> Suppression:
        return Suppression(history_until=self._until)

    async def summary(self, *_: object) -> str:
        return self._summary


class Ranker:
    def __init__(self, *texts: str, notice: str = "") -> None:
        self.done = asyncio.Event()
        self._texts = texts
        self._notice = notice

    async def ranked(self, *_: object) -> Ranking:
        self.done.set()
        ranked = [Ranked(Candidate(each, "", Source.DOCUMENT), 1.0, "token") for each in self._texts]
        return Ranking(ranked, self._notice)


class Writer:
    """Writes so much, and then fails, if it is to; the latter once the ranker is done, whom it would wait for for ever
    were it asked only afterwards.
    """

    def __init__(self, *texts: str, failing_after: Ranker | None = None, rationale: str = "") -> None:
        self._texts = texts
        self._rationale = rationale
        self._failing_after = failing_after
        self.task: Task | None = None

    async def write(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:
        self.task = task
        account.attempts = 1
        for each in self._texts:
            await asyncio.sleep(0)  # lets the ranker begin
            yield Written(each, self._rationale)
        if self._failing_after is not None:
            await self._failing_after.done.wait()
            raise LlmError("the language model is down")


class Together(Gateway):
    """Search answers once it is asked what the user has removed, and what they know."""

    def __init__(self, retrieved: Retrieved, *, is_withheld: bool = True) -> None:
        super().__init__([], "")
        self.searched: list[str] = []
        self.looked_up: list[str] = []
        """Entities of documents."""
        self._retrieved = retrieved
        self._is_withheld = is_withheld
        self._asked = asyncio.Barrier(3)

    async def retrieved(self, user: str, *_: object) -> Retrieved:
        self.searched.append(user)
        if user:
            await self._asked.wait()
        return self._retrieved

    async def entities(self, *_: object) -> Acquainted:
        await self._asked.wait()
        if self._is_withheld:
            return Acquainted(is_withheld=True)
        return Acquainted([known("of the query"), known("both")], [known("own"), known("of a document")])

    async def entities_of_documents(self, _user: str, entity_ids: Sequence[str]) -> Acquainted:
        self.looked_up += entity_ids
        return Acquainted([known("both", via="later"), known("of a document")])

    async def suppression(self, *_: object) -> Suppression:
        await self._asked.wait()
        return Suppression()


async def test_search_what_was_removed_and_what_is_known_are_asked_at_once() -> None:
    gateway = Together(Retrieved(["A title"], ["e1"]))
    situating = Situating(gateway, gateway, Screen())  # type: ignore[arg-type]
    situated = await situating.of("ada", "query", Context(), for_writer=False)
    assert list(situated.situation.titles) == ["A title"]
    assert gateway.searched == ["ada", ""]  # again for nobody, as what is known of the user is withheld
    assert gateway.looked_up == []


async def test_entities_of_documents_come_behind_those_of_the_context_and_each_once() -> None:
    gateway = Together(Retrieved(["A title"], ["e1", "e2"]), is_withheld=False)
    situated = await Situating(gateway, gateway, Screen()).of("ada", "query", Context(), for_writer=False)  # type: ignore[arg-type]
    assert gateway.looked_up == ["e1", "e2"]
    assert [(each.label, each.via_label) for each in situated.situation.entities] == [
        ("of the query", ""),
        ("both", ""),
        ("of a document", ""),
    ]
    assert [each.label for each in situated.situation.own] == ["own"]


async def test_search_that_did_not_answer_is_not_waited_for_again() -> None:
    gateway = Together(Retrieved(notice="search is slow"))
    situating = Situating(gateway, gateway, Screen())  # type: ignore[arg-type]
    situated = await situating.of("ada", "query", Context(), for_writer=False)
    assert gateway.searched == ["ada"]
    assert situated.notices[-1] == "search is slow"


def known(label: str, via: str = "") -> KnownEntity:
    return KnownEntity(label, label, Mode.NEIGHBOUR if via else Mode.FAMILIAR, 1.0, via_label=via)


def over(
    ranker: object, writer: Writer | None, *entities: KnownEntity, denied: tuple[str, ...] = (), summary: str = ""
) -> Suggester:
    enter_call(Call("test", "default", time.monotonic() + 30))
    gateway = Gateway(list(entities), summary)
    situating = Situating(gateway, gateway, Screen(denied))  # type: ignore[arg-type]
    return Suggester(situating, ranker, writer, 5)  # type: ignore[arg-type]


async def suggested(suggester: Suggester, limit: int = 5) -> Outcome:
    outcome = Outcome()
    wish = Wish("ada", "query", Context(), limit, use_llm=True)
    shown = [each async for each in suggester.suggest(wish, outcome)]
    assert shown == outcome.suggestions
    return outcome


async def test_the_ranker_is_ready_when_the_writer_fails() -> None:
    ranker = Ranker("ranked")
    outcome = await suggested(over(ranker, Writer(failing_after=ranker)))
    assert [(each.text, each.is_written, each.token) for each in outcome.suggestions] == [("ranked", False, "token")]
    assert outcome.fallback_reason == "the language model is down"


@pytest.mark.parametrize(("query", "is_asked"), [(" ", False), ("query", True)])
async def test_where_nothing_is_known_the_language_model_is_not_asked(query: str, is_asked: bool) -> None:
    writer = Writer("written")
    suggester, outcome = over(Ranker("ranked"), writer), Outcome()
    wish = Wish("", query, Context(), 1, use_llm=True)
    texts = [each.text async for each in suggester.suggest(wish, outcome)]
    assert texts == (["written"] if is_asked else ["ranked"])
    assert (outcome.account is not None) == is_asked
    assert ("was not asked" in outcome.fallback_reason) != is_asked


async def test_the_ranker_fills_up_what_was_broken_off_and_repeats_nothing() -> None:
    ranker = Ranker("Written  once", "ranked", "too many")
    outcome = await suggested(over(ranker, Writer("written once", failing_after=ranker)), limit=2)
    assert [(each.text, each.is_written) for each in outcome.suggestions] == [("written once", True), ("ranked", False)]
    assert outcome.fallback_reason == "the language model is down"
    assert [each.score for each in outcome.suggestions] == [1, 1 / 2]


async def test_a_ranker_that_is_not_needed_is_stopped() -> None:
    stopped = SimpleNamespace(seen=False)

    class Slow:
        async def ranked(self, *_: object) -> Ranking:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.seen = True
                raise
            return Ranking()

    outcome = await suggested(over(Slow(), Writer("written")), limit=1)
    assert [each.text for each in outcome.suggestions] == ["written"]
    assert outcome.fallback_reason == ""
    assert stopped.seen


async def test_the_ranker_fills_up_what_the_model_left_short_and_the_outcome_says_so() -> None:
    outcome = await suggested(over(Ranker("ranked", "written", "more"), Writer("written", "other")), limit=4)
    assert [each.text for each in outcome.suggestions] == ["written", "other", "ranked", "more"]
    assert outcome.fallback_reason == "the language model wrote only 2 of 4 usable suggestions"


async def test_what_is_filled_in_behind_others_teaches_nothing() -> None:
    outcome = await suggested(over(Ranker("ranked"), Writer("written")), limit=2)
    assert [(each.text, each.token) for each in outcome.suggestions] == [("written", ""), ("ranked", "")]


class Broken:
    async def ranked(self, *_: object) -> Ranking:
        raise OSError("no queries")


async def test_a_ranker_that_fails_does_not_spoil_what_was_shown() -> None:
    outcome = await suggested(over(Broken(), Writer("written")), limit=2)
    assert [each.text for each in outcome.suggestions] == ["written"]
    assert outcome.fallback_reason == (
        "the language model wrote only 1 of 2 usable suggestions, and the ranker, which was to fill up, failed"
    )


async def test_a_ranker_that_fails_with_nothing_shown_is_an_error() -> None:
    with pytest.raises(OSError, match="no queries"):
        await suggested(over(Broken(), Writer()))


async def test_the_ranker_s_notice_is_told_where_it_is_used() -> None:
    ranker = Ranker("ranked", notice="without meaning")
    assert (await suggested(over(ranker, Writer("written")), limit=2)).notices == ["without meaning"]
    assert (await suggested(over(ranker, Writer("written")), limit=1)).notices == []


async def test_a_model_is_not_told_of_entities_whose_names_are_denied() -> None:
    writer = Writer("written")
    await suggested(over(Ranker(), writer, known("pyramid"), known("bad pyre"), denied=("bad",)))
    assert writer.task is not None
    situation = writer.task.situation
    assert [each.label for each in (*situation.entities, *situation.own)] == ["pyramid", "pyramid"]
    assert [writer.task.allows(text) for text in ("pyramid", "a bad one", "write to ada@example.org")] == [1, 0, 0]


async def ones(texts: Sequence[str]) -> Embedded:
    return Embedded(np.ones((len(texts), 1), np.float32), "ones")


async def test_no_denied_word_is_shown_as_what_an_entity_is_close_to() -> None:
    by_ranker = over(RankerPath(ones, RankerModel.load()), None, known("blackjack", "casino"), denied=("casino",))
    outcome = await suggested(by_ranker)
    assert [(each.text, each.rationale) for each in outcome.suggestions] == [
        ("query blackjack", "blackjack is close to what you know.")
    ]


async def test_a_model_is_told_of_no_denied_word_in_a_via_or_the_summary() -> None:
    writer = Writer("written")
    entities = (known("blackjack", "casino"), known("chess", "go"))
    await suggested(over(Ranker(), writer, *entities, denied=("casino",), summary="Is fond of the casino."))
    assert writer.task is not None
    situation = writer.task.situation
    assert [each.via_label for each in situation.entities] == ["", "go"]
    assert situation.summary == ""


async def test_a_rationale_with_a_denied_word_is_left_out_whoever_wrote_it() -> None:
    class Reasoning(Ranker):
        async def ranked(self, *_: object) -> Ranking:
            await super().ranked()
            return Ranking([Ranked(Candidate("ranked", "As in a casino.", Source.DOCUMENT), 1.0, "token")])

    ranker = Reasoning()
    outcome = await suggested(
        over(ranker, Writer("written", rationale="Casino!", failing_after=ranker), denied=("casino",))
    )
    assert [(each.text, each.rationale) for each in outcome.suggestions] == [("written", ""), ("ranked", "")]


async def test_after_the_history_was_removed_documents_and_reasons_know_nothing_of_it() -> None:
    cut = datetime(2026, 11, 3, tzinfo=UTC)
    again = replace(known("asyncio"), count=13, first_seen=cut - timedelta(9), last_seen=cut + timedelta(1))
    gateway = Gateway([again, replace(again, entity_id="before", label="before", last_seen=cut)], "Knows all.", cut)
    situated = await Situating(gateway, gateway, Screen()).of("ada", "query", Context(), for_writer=True)  # type: ignore[arg-type]
    assert gateway.searched_for == ["ada", ""]  # what was found for the user is not used
    assert [(each.label, each.count, each.last_seen) for each in situated.situation.entities] == [("asyncio", 0, None)]
    assert situated.situation.summary == ""


async def test_documents_are_searched_for_the_user_whose_history_stands() -> None:
    gateway = Gateway([])
    await Situating(gateway, gateway, Screen()).of("ada", "query", Context(), for_writer=False)  # type: ignore[arg-type]
    assert gateway.searched_for == ["ada"]
