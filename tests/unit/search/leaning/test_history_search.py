"""Search for a user who has read documents and said something: it counts where the gate of the user lets it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc.aio import AioRpcError, Metadata
from tests.unit.search.conftest import DIMENSION, Services

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.services.runtime.call import Call, enter_call
from attune.services.search.explain import explain
from attune.services.search.gateway import Augmentation
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.leaning.gate import MOST, Gate
from attune.services.search.leaning.gates import Gates
from attune.services.search.person import Person, Remembered
from attune.services.search.personal import Ranked
from attune.services.search.ranking.rankings import PLAIN, Formula
from attune.services.search.searching import Found, Searcher
from attune.services.search.wish import Wish

AXES = np.eye(DIMENSION, dtype=np.float32)
AT = datetime(2026, 5, 3, tzinfo=UTC)
READ = Remembered(AT, document_id="liked")
SAID = Remembered(AT, statement="I like the fifth axis.")


@dataclass
class Remembering(Services):
    """The query is the first axis; what the user said is the fifth, near the document `liked`."""

    history: tuple[Remembered, ...] = ()
    is_withheld: bool = False
    is_known: bool = True
    can_embed: bool = True
    embedded_texts: list[str] = field(default_factory=list)

    async def query_vectors(
        self, _query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[np.ndarray, Augmentation]]:
        return [(AXES[0], augmentation) for augmentation in asked.values()]

    async def said_vectors(self, texts: Sequence[str], _domain: str) -> list[np.ndarray | None]:
        self.embedded_texts += texts
        if not self.can_embed:
            raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)
        return [AXES[4] for _ in texts]

    async def person(self, *_asked: object) -> Person:
        if not self.is_known:
            raise refusal(grpc.StatusCode.UNAVAILABLE)
        return Person(history=self.history, is_withheld=self.is_withheld)


def refusal(code: grpc.StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata())


def gate(*, is_open: bool) -> Gate:
    closed = Gate.closed()
    return Gate(50.0 if is_open else -50.0, closed.weights, closed.means, closed.scales, 0.5)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Thirty documents near the query; `liked` is the farthest of them, on the fifth axis, and the nearest twelve lean
    to it: what the user likes has to do with what is found.
    """
    opened = open_edge_index(tmp_path / "index", IndexIdentity("model-a", DIMENSION))
    leaning = [AXES[0] + (0.6 + 0.0001 * place) * AXES[1] + 0.2 * AXES[4] for place in range(12)]
    others = [AXES[0] + (0.64 + 0.0005 * place) * AXES[1] for place in range(17)]
    vectors = np.stack([*leaning, *others, AXES[0] + 0.65 * AXES[4]])
    ids = [f"near-{place:02}" for place in range(29)] + ["liked"]
    documents = [IndexedDocument.of(Document(each, each, "text", "")) for each in ids]
    opened.upsert("acme", documents, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    yield opened
    opened.close()


async def search(
    index: Index, services: Services, *, is_open: bool = True, user: str = "ada", personalization: float = 1.0
) -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("unheard-of", user, Context(personalization=personalization), (), 10)
    gates = Gates(Gate.closed(), gate(is_open=is_open), gate(is_open=is_open))
    return await Searcher(index, services, gates=gates).search(wish)  # type: ignore[arg-type]


def ids(found: Found) -> list[str]:
    return [each.fused.id for each in found.ranked]


def liked(found: Found) -> Ranked:
    return next(each for each in found.ranked if each.fused.id == "liked")


def scores(found: Found) -> list[tuple[str, float]]:
    return [(each.fused.id, each.score) for each in found.ranked]


@pytest.mark.parametrize("known", [READ, SAID])
async def test_what_the_user_has_read_or_said_lifts_what_is_near_it(index: Index, known: Remembered) -> None:
    plain, found = await search(index, Remembering()), await search(index, Remembering(history=(known,)))
    assert ids(plain).index("liked") == 29
    assert ids(found).index("liked") < 5
    assert ids(plain)[0] in ids(found)[:10]
    assert found.contexts.history.value == pytest.approx(MOST)
    assert found.contexts.history.reason == "the query is near what the user has read and said"
    lifted = liked(found)
    assert lifted.history is not None
    assert lifted.history.nearest == replace(known, statement="")
    assert lifted.score == pytest.approx(lifted.plain + lifted.history.contribution)


async def test_the_explanation_names_the_evidence_and_repeats_no_statement(index: Index) -> None:
    read = explain(liked(await search(index, Remembering(history=(READ,)))))
    assert read.summary == "because it is close to what you read on 3 May 2026"
    assert (read.history.document_id, read.history.at.ToDatetime(UTC)) == ("liked", AT)
    said = explain(liked(await search(index, Remembering(history=(SAID,)))))
    assert said.summary == "because it fits what you said of yourself on 3 May 2026"
    assert said.history.document_id == ""
    assert SAID.statement not in str(said)
    assert [part.name for part in said.parts if part.contribution] == ["dense", "history"]


@pytest.mark.parametrize(
    ("services", "options", "reason"),
    [
        (Remembering(), {}, "nothing is known that the user has read or said"),
        (Remembering(history=(Remembered(AT, document_id="deleted"),)), {}, "nothing is known"),
        (Remembering(history=(READ, SAID)), {"is_open": False}, "not foreseen to help"),
        (Remembering(history=(READ, SAID)), {"personalization": 0.0}, "no personalization was asked for"),
        (Remembering(history=(READ, SAID)), {"user": ""}, "no personalization was asked for"),
        (Remembering(is_withheld=True), {}, "does not allow ranking"),
        (Remembering(history=(READ,), is_known=False), {}, "knowledge service is unavailable"),
    ],
)
async def test_where_it_does_not_count_the_ranking_is_the_plain_one(
    index: Index, services: Remembering, options: dict[str, float], reason: str
) -> None:
    found = await search(index, services, **options)  # type: ignore[arg-type]
    assert scores(found) == scores(await search(index, Remembering()))
    assert found.contexts.history.value == 0
    assert reason in found.contexts.history.reason


async def test_less_personalization_weighs_less(index: Index) -> None:
    half = await search(index, Remembering(history=(READ,)), personalization=0.5)
    assert half.contexts.history.value == pytest.approx(MOST / 2)


async def test_statements_are_embedded_once_and_together(index: Index) -> None:
    services = Remembering(history=(SAID, Remembered(AT, statement="And the sixth.")))
    searcher = Searcher(index, services, gates=Gates(Gate.closed(), gate(is_open=True), Gate.closed()))  # type: ignore[arg-type]
    enter_call(Call("Search", "acme", float("inf")))
    for _ in range(2):
        await searcher.search(Wish("unheard-of", "ada", Context(), (), 10))
    assert services.embedded_texts == [SAID.statement, "And the sixth."]


async def test_documents_count_alone_where_statements_cannot_be_embedded(index: Index) -> None:
    services = Remembering(history=(READ, SAID), can_embed=False)
    assert scores(await search(index, services)) == scores(await search(index, Remembering(history=(READ,))))


async def test_the_plain_ranking_has_nothing_of_it(index: Index) -> None:
    found = await search(index, Remembering(history=(READ,)))
    plain = Formula(PLAIN).explained(liked(found))
    assert (plain.history, plain.score) == (None, plain.plain)


async def test_after_a_turn_the_history_counts_only_where_the_session_does_not(index: Index) -> None:
    enter_call(Call("Search", "acme", float("inf")))
    services = Remembering(history=(READ,))
    wish = Wish("and that one?", "ada", Context(turns=[Turn(text="this")]), (), 10)
    for is_open in (True, False):
        gates = Gates(gate(is_open=is_open), gate(is_open=True), gate(is_open=True))
        contexts = (await Searcher(index, services, gates=gates).search(wish)).contexts  # type: ignore[arg-type]
        assert (contexts.session.value > 0, contexts.history.value > 0) == (is_open, not is_open)
