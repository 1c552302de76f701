"""Documents that are longer than the encoder reads: cut, embedded, found by their passages, and told which."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.metrics import Metrics
from attune.services.search.batches import Report
from attune.services.search.gateway import Augmentation, Read
from attune.services.search.index.passages import Passages, Span
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.indexing import Indexer
from attune.services.search.service import SearchServicer

WORDS = ("apple", "bread", "cloud", "delta")


def vector_of(text: str) -> np.ndarray:
    """By how often each of the words is in it."""
    vector = np.full(DIMENSION, 0.01, np.float32)
    vector[: len(WORDS)] += [text.count(word) for word in WORDS]
    return vector / np.linalg.norm(vector)


@dataclass
class Reading(Services):
    """Texts have the vectors of the words in what is read of them."""

    def read(self, text: str) -> Read:
        known = super().read(text)
        return Read(vector_of(text[: 4 * self.window]), known.tokens, known.is_cut)

    async def query_vectors(
        self, query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[np.ndarray, Augmentation]]:
        return [(vector_of(query), augmentation) for augmentation in asked.values()]


@pytest.fixture
def reading() -> Reading:
    return Reading(window=100)


def sentences(word: str, count: int = 20) -> str:
    return f"About {word} it says this. " * count


LONG = "".join(sentences(word) for word in WORDS)
"""2,000 characters, of which 400 are read at once."""


async def stream(documents: Sequence[pb.Document]) -> AsyncIterator[pb.Document]:
    for each in documents:
        yield each


async def indexed(index: Index, services: Services, *documents: pb.Document, most: int = 64) -> Report:
    enter_call(Call("IndexDocuments", "acme", float("inf")))
    return await Indexer(index, services, passages=most).index(stream(documents))  # type: ignore[arg-type]


def of(document_id: str, text: str, title: str = "") -> pb.Document:
    return pb.Document(document_id=document_id, text=text, title=title)


def kept(index: Index, document_id: str) -> Passages | None:
    return index.passages("acme", [document_id]).get(document_id)


async def test_a_long_document_gets_passages_and_a_short_one_none(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG), of("short", sentences("cloud", 4)))
    assert reading.embedded == ["long", "short"]
    assert {each for each, _ in reading.cut} == {"long"}
    assert kept(small_index, "short") is None
    passages = kept(small_index, "long")
    assert passages is not None
    assert passages.spans[0][0] == 0
    assert passages.spans[-1][1] == len(LONG.rstrip())
    assert all(end - start <= 400 for start, end in passages.spans)
    for row, (start, end) in zip(passages.vectors[1:], passages.spans[1:], strict=True):
        np.testing.assert_allclose(row, vector_of(LONG[start:end]), atol=1e-5)


async def test_what_the_document_itself_reads_is_its_first_passage(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG))
    passages = kept(small_index, "long")
    assert passages is not None
    np.testing.assert_allclose(passages.vectors[0], vector_of(LONG[:400]), atol=1e-5)
    assert [span for _, span in reading.cut] == list(passages.spans[1:])  # the first one cost nothing


async def test_unchanged_documents_are_not_embedded_again_and_changed_ones_are_cut_anew(
    small_index: Index, reading: Reading
) -> None:
    await indexed(small_index, reading, of("long", LONG))
    reading.embedded.clear()
    reading.cut.clear()
    report = await indexed(small_index, reading, of("long", LONG))
    assert (report.indexed, report.unchanged, reading.embedded, reading.cut) == (0, 1, [], [])
    await indexed(small_index, reading, of("long", sentences("delta", 4)))
    assert kept(small_index, "long") is None


async def test_another_limit_cuts_again_what_was_cut_and_nothing_else(small_index: Index, reading: Reading) -> None:
    documents = [of("long", LONG), of("short", sentences("cloud", 4))]
    await indexed(small_index, reading, *documents)
    report = await indexed(small_index, reading, *documents, most=3)
    assert (report.indexed, report.unchanged) == (1, 1)
    passages = kept(small_index, "long")
    assert passages is not None
    assert len(passages.spans) == 3


async def test_without_passages_documents_are_as_short_ones(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG), most=0)
    assert (kept(small_index, "long"), reading.cut) == (None, [])


async def test_a_passage_of_more_tokens_than_are_read_is_cut_again(small_index: Index, reading: Reading) -> None:
    class Dense(Reading):
        def read(self, text: str) -> Read:
            """Two characters a token."""
            return Read(vector_of(text), min(len(text) // 2, 100), len(text) > 200)

    await indexed(small_index, Dense(window=100), of("long", LONG))
    passages = kept(small_index, "long")
    assert passages is not None
    assert all(end - start <= 200 for start, end in passages.spans[1:])
    assert passages.spans[-1][1] == len(LONG.rstrip())


async def test_a_passage_without_words_is_left_out(small_index: Index) -> None:
    class Refusing(Reading):
        async def span_vectors(self, spans: Sequence[tuple[Document, Span]], experts: object) -> list[Read | str]:
            read = await super().span_vectors(spans, experts)
            return ["has no token", *read[1:]] if len(read) > 1 else read

    report = await indexed(small_index, Refusing(window=100), of("long", LONG))
    assert (report.indexed, report.rejected_count) == (1, 0)
    passages = kept(small_index, "long")
    assert passages is not None
    assert len(passages.spans) > 1


async def test_a_title_longer_than_the_window_leaves_no_passage_out(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG, title="t" * 3000))
    passages = kept(small_index, "long")
    assert passages is not None
    assert passages.spans[-1][1] == len(LONG.rstrip())


async def test_deleting_a_document_takes_its_passages(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG))
    await Indexer(small_index, reading).delete(["long"])  # type: ignore[arg-type]
    assert kept(small_index, "long") is None
    assert small_index.dense("acme", vector_of("delta"), 10) == []


async def ask(index: Index, services: Services, query: str, token: str = "", size: int = 10) -> pb.SearchResponse:
    enter_call(Call("Search", "acme", float("inf")))
    servicer = SearchServicer(index, services, lambda: datetime.now(UTC), Metrics())  # type: ignore[arg-type]
    return await servicer.Search(pb.SearchRequest(query=query, page_token=token, page_size=size), None)  # type: ignore[arg-type]


async def test_a_hit_tells_the_passage_that_answers(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, of("long", LONG), of("short", "bread and cloud and delta"))
    answer = await ask(small_index, reading, "delta")
    hits = {hit.document.document_id: hit for hit in answer.hits}
    assert answer.hits[0].document.document_id == "long"
    assert not hits["short"].HasField("passage")
    passage = hits["long"].passage
    assert passage.text == LONG[passage.start : passage.end]
    assert passage.text.count("delta") > 10
    assert passage.text.endswith("says this.")
    dense = next(part for part in answer.hits[0].explanation.parts if part.name == "dense")
    assert passage.score == pytest.approx(dense.value, abs=1e-5)


async def test_spans_count_characters_and_not_bytes(small_index: Index, reading: Reading) -> None:
    text = "é🦜" * 300 + ". " + sentences("delta")
    await indexed(small_index, reading, of("long", text))
    passage = (await ask(small_index, reading, "delta")).hits[0].passage
    assert passage.text == text[passage.start : passage.end]
    assert "delta" in passage.text


async def test_later_pages_tell_passages_too(small_index: Index, reading: Reading) -> None:
    await indexed(small_index, reading, *(of(f"long{i}", f"{LONG} {sentences('delta', i)}") for i in range(3)))
    servicer = SearchServicer(small_index, reading, lambda: datetime.now(UTC), Metrics())  # type: ignore[arg-type]
    enter_call(Call("Search", "acme", float("inf")))
    token = ""
    for _ in range(3):
        request = pb.SearchRequest(query="delta", page_size=1, page_token=token)
        answer = await servicer.Search(request, None)  # type: ignore[arg-type]
        assert "delta" in answer.hits[0].passage.text
        token = answer.next_page_token
    assert token == ""


async def test_a_document_of_an_expert_that_was_not_searched_has_no_passage(
    small_index: Index, reading: Reading
) -> None:
    reading.known = frozenset({"general", "law"})
    reading.spaces = {"law": "law@1"}
    await indexed(small_index, reading, pb.Document(document_id="long", text=LONG, domain="law"))
    reading.spaces = {"law": "law@2"}
    (hit,) = (await ask(small_index, reading, "delta")).hits
    assert [part.name for part in hit.explanation.parts][:1] == ["bm25"]
    assert not hit.HasField("passage")


async def test_a_document_replaced_meanwhile_has_no_passage_of_another_text(
    small_index: Index, reading: Reading
) -> None:
    await indexed(small_index, reading, of("long", LONG))
    before = small_index.documents("acme", ["long"])["long"]
    rows = np.stack([vector_of("delta")] * 2)
    written = IndexedDocument.of(Document("long", "", LONG[:1000], ""))
    small_index.upsert("acme", [written], rows[:1], {"long": Passages([(0, 9), (5, 12)], rows)})
    searcher = SearchServicer(small_index, reading, lambda: datetime.now(UTC), Metrics())._pages._lists.searcher  # type: ignore[arg-type]
    enter_call(Call("Search", "acme", float("inf")))
    assert await searcher.passages({"": vector_of("delta")}, [before]) == {}
