"""Search after a turn: the session finds and lifts documents where its gate lets it, and else changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.clock import system_clock
from attune.services.search.feedback.memory import SessionMemory
from attune.services.search.gateway import Augmentation
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.leaning.gate import Gate
from attune.services.search.leaning.gates import Gates
from attune.services.search.listing import Listed, Lists
from attune.services.search.ranking.configured import Rankings
from attune.services.search.searching import Found, Searcher
from attune.services.search.wish import Wish

AXES = np.eye(DIMENSION, dtype=np.float32)
SPREAD = 120


@dataclass
class Said(Services):
    """The query is the first axis, what was said before the second one."""

    asked: int = 0
    embeds: bool = True

    async def query_vectors(
        self, _query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[np.ndarray, Augmentation]]:
        return [(AXES[0], augmentation) for augmentation in asked.values()]

    async def said_vectors(self, texts: Sequence[str], _domain: str) -> list[np.ndarray | None]:
        self.asked += len(texts)
        return [AXES[1] if self.embeds else None for _ in texts]


def gates(*, are_open: bool) -> Gates:
    closed = Gate.closed()
    gate = Gate(50.0 if are_open else -50.0, closed.weights, closed.means, closed.scales, 0.5)
    return Gates(gate, Gate.closed(), Gate.closed())


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """More documents near the query than it retrieves; one near what was said, and farther from the query than all."""
    opened = open_edge_index(tmp_path / "index", IndexIdentity("model-a", DIMENSION))
    near = [AXES[0] + 0.3 * AXES[2 + place % 6] for place in range(SPREAD)]
    vectors = np.stack([*near, 0.5 * AXES[0] + AXES[1]])
    ids = [f"near-{place:03}" for place in range(SPREAD)] + ["said"]
    documents = [IndexedDocument.of(Document(each, each, "text", "")) for each in ids]
    opened.upsert("acme", documents, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    yield opened
    opened.close()


async def search(index: Index, services: Said, context: Context, *, are_open: bool = True, user: str = "") -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("and the other one?", user, context, (), 10)
    return await Searcher(index, services, gates=gates(are_open=are_open)).search(wish)  # type: ignore[arg-type]


def ids(found: Found) -> list[str]:
    return [each.fused.id for each in found.ranked]


TOLD = Context(turns=[Turn(query="what is there?", text="this")])


async def test_the_plain_ranking_alone_is_that_of_who_said_nothing(index: Index) -> None:
    enter_call(Call("Search", "acme", float("inf")))
    services = Said()
    searcher = Searcher(index, services, gates=gates(are_open=True))  # type: ignore[arg-type]
    lists = Lists(searcher, Rankings(), SessionMemory(), system_clock)

    async def listed(context: Context, *rankings: str) -> Listed:
        wish = Wish("and the other one?", "ada", context, (), 10, rankings=rankings)
        return await lists.make(wish, "q", system_clock())

    plain, nothing = await listed(TOLD, "plain"), await listed(Context(personalization=0))
    assert plain.found.contexts.session.value == services.asked == 0
    assert [each.ranked.fused.id for each in plain.order.hits(0, 200)] == [
        each.ranked.fused.id for each in nothing.order.hits(0, 200)
    ]
    assert "said" in ids((await listed(TOLD, "plain", "personal")).found)


async def test_what_was_said_before_brings_documents_that_the_query_alone_does_not_find(index: Index) -> None:
    assert "said" not in ids(await search(index, Said(), Context()))
    found = await search(index, Said(), TOLD)
    assert ids(found).index("said") < 20
    assert next(each for each in found.ranked if each.fused.id == "said").session.rank == 1  # type: ignore[union-attr]
    assert found.contexts.session.value == pytest.approx(0.85)
    assert found.contexts.session.reason == "the query goes on from what was said before"


async def test_it_counts_for_a_user_who_is_not_named_and_for_one_who_is(index: Index) -> None:
    assert ids(await search(index, Said(), TOLD, user="ada")) == ids(await search(index, Said(), TOLD))


async def test_the_plain_winner_stays_on_the_first_page(index: Index) -> None:
    plain = ids(await search(index, Said(), Context()))
    assert plain[0] in ids(await search(index, Said(), TOLD))[:10]


async def test_where_the_gate_abstains_the_ranking_is_the_plain_one(index: Index) -> None:
    plain, found = await search(index, Said(), Context()), await search(index, Said(), TOLD, are_open=False)
    assert [(each.fused.id, each.score) for each in found.ranked] == [(e.fused.id, e.score) for e in plain.ranked]
    assert found.contexts.session.value == 0
    assert "not foreseen to help" in found.contexts.session.reason


async def test_no_personalization_asks_for_no_vector_and_changes_nothing(index: Index) -> None:
    services = Said()
    context = Context(turns=TOLD.turns, personalization=0)
    assert ids(await search(index, services, context)) == ids(await search(index, services, Context()))
    assert services.asked == 0


async def test_less_personalization_weighs_less(index: Index) -> None:
    half = await search(index, Said(), Context(turns=TOLD.turns, personalization=0.5))
    assert half.contexts.session.value == pytest.approx(0.425)


async def test_what_was_said_but_cannot_be_embedded_changes_nothing(index: Index) -> None:
    found = await search(index, Said(embeds=False), TOLD)
    assert ids(found) == ids(await search(index, Said(), Context()))
    assert found.contexts.session.value == 0


async def test_every_score_is_the_sum_of_its_parts(index: Index) -> None:
    found = await search(index, Said(), TOLD)
    for each in found.ranked:
        assert each.session is not None
        assert each.score == pytest.approx(each.plain + each.session.contribution + each.personal)


async def test_the_first_query_of_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    opened = open_edge_index(tmp_path / "empty", IndexIdentity("model-a", DIMENSION))
    assert ids(await search(opened, Said(), TOLD)) == []
    opened.close()
