"""What every index engine must do alike: the embedded one, qdrant-client's local mode, and a server where there is one.

Set ATTUNE_TEST_QDRANT_URL to run the suite against a Qdrant server too; it makes and drops collections of its own.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import DIMENSION, IDENTITY, Opener

from attune.services.search.index.errors import IndexMismatchError, InvalidQueryError, InvalidVectorError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Candidate, Document, Index, IndexedDocument

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


def document(document_id: str, text: str = "", *, domain: str = "general", title: str = "") -> Document:
    return Document(document_id, title, text, domain)


def vectors_for(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def put(index: Index, tenant: str, *documents: Document) -> np.ndarray:
    vectors = vectors_for(len(documents))
    index.upsert(tenant, [IndexedDocument.of(each) for each in documents], vectors)
    return vectors


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.id for candidate in candidates]


# Writing and reading


def test_a_document_comes_back_as_it_went_in(index: Index) -> None:
    full = Document(
        "7", "Title", "Text", "medicine", ("Q1", "Q2"), {"year": "2024", "": "x", "a.b": "é"}, "https://x.org/7"
    )
    put(index, "acme", full)
    assert index.get("acme", "7") == full
    assert index.documents("acme", ["7", "8"]) == {"7": full}


def test_what_was_read_to_rank_is_read_anew_once_it_was_written(index: Index) -> None:
    put(index, "acme", document("1", domain="law"), document("2"), document("3"))
    before = index.vectors("acme", ["1", "2", "3"])
    assert {each.domain for each in index.to_rank("acme", ["1", "2"]).documents.values()} == {
        "law",
        "general",
    }
    index.upsert("acme", [IndexedDocument.of(document("1", domain="medicine"))], vectors_for(1, seed=7))
    index.delete("acme", ["2"])
    found = index.to_rank("acme", ["1", "2", "3"]).documents
    assert {each.id: each.domain for each in found.values()} == {"1": "medicine", "3": "general"}
    after = index.vectors("acme", ["1", "2", "3"])
    assert after.keys() == {"1", "3"}
    assert not np.allclose(after["1"], before["1"])
    assert np.array_equal(after["3"], before["3"])


def test_who_may_not_see_a_document_does_not_read_it_after_another_who_may(index: Index) -> None:
    put(index, "acme", Document("1", "", "", "d", principals=("board",)))
    assert index.to_rank("acme", ["1"], ["board"]).documents.keys() == {"1"}
    assert not index.to_rank("acme", ["1"], ["staff"]).documents
    put(index, "acme", Document("1", "", "", "d", principals=("staff",)))
    assert index.to_rank("acme", ["1"], ["staff"]).documents.keys() == {"1"}
    assert not index.to_rank("acme", ["1"], ["board"]).documents


def test_vectors_come_back_with_length_one_of_documents_in_the_space_asked(index: Index) -> None:
    documents = [document("1"), document("2"), document("gone")]
    vectors = vectors_for(3)
    spaces = ["", "law@1", ""]
    rows = [IndexedDocument.of(each, space) for each, space in zip(documents, spaces, strict=True)]
    index.upsert("acme", rows, vectors)
    index.delete("acme", ["gone"])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = index.vectors("acme", ["1", "2", "gone", "never"])
    assert sorted(found) == ["1", "2"]
    np.testing.assert_allclose(found["1"], unit[0], atol=1e-6)
    assert sorted(index.vectors("acme", ["1", "2"], "")) == ["1"]
    assert sorted(index.vectors("acme", ["1", "2"], "law@1")) == ["2"]
    assert index.vectors("acme", []) == {}
    assert index.vectors("globex", ["1", "2"]) == {}


def test_what_is_not_indexed_is_absent(index: Index) -> None:
    put(index, "acme", document("1"))
    assert index.get("acme", "2") is None
    assert index.documents("acme", []) == {}
    assert index.digests("acme", ["2"]) == {}
    assert index.digests("acme", []) == {}
    assert index.count("nobody") == 0


def test_an_empty_index_finds_nothing(index: Index) -> None:
    assert index.dense("acme", vectors_for(1)[0], 10) == []
    assert index.bm25("acme", "anything", 10) == []
    assert index.count("acme") == 0


def test_an_empty_batch_writes_nothing(index: Index) -> None:
    index.upsert("acme", [], np.empty((0, DIMENSION), np.float32))
    assert index.count("acme") == 0


def test_writing_again_replaces_text_vector_domain_and_digest(index: Index) -> None:
    put(index, "acme", document("1", "alpha", domain="old"), document("2", "beta"))
    replacement = document("1", "gamma", domain="new")
    index.upsert("acme", [IndexedDocument.of(replacement)], -vectors_for(1))
    assert index.count("acme") == 2
    assert index.get("acme", "1") == replacement
    assert index.digests("acme", ["1"]) == {"1": IndexedDocument.of(replacement).digest}
    assert index.bm25("acme", "alpha", 10) == []
    assert ids(index.bm25("acme", "gamma", 10)) == ["1"]
    assert index.dense("acme", -vectors_for(1)[0], 1)[0] == Candidate("1", pytest.approx(1.0, abs=1e-6))
    assert ids(index.dense("acme", vectors_for(1)[0], 10, ["old"])) == []


def test_writing_the_same_twice_changes_no_answer(index: Index) -> None:
    documents = [document(str(i), f"word{i % 3} common") for i in range(10)]
    vectors = put(index, "acme", *documents)

    def answers() -> tuple[object, ...]:
        found = index.bm25("acme", "word1 common", 10) + index.dense("acme", vectors[3], 10)
        scores = [(each.id, round(each.score, 5)) for each in found]
        return index.count("acme"), index.digests("acme", [str(i) for i in range(10)]), scores

    before = answers()
    put(index, "acme", *documents)
    assert answers() == before


def test_of_one_id_twice_in_a_batch_the_last_wins(index: Index) -> None:
    put(index, "acme", document("1", "first"), document("1", "second"))
    assert index.count("acme") == 1
    stored = index.get("acme", "1")
    assert stored is not None
    assert stored.text == "second"


def test_a_batch_larger_than_one_engine_call_is_written_whole(index: Index) -> None:
    documents = [document(str(i), f"term{i}") for i in range(300)]
    vectors = put(index, "acme", *documents)
    assert index.count("acme") == 300
    for i in (0, 127, 128, 299):
        assert ids(index.dense("acme", vectors[i], 1)) == [str(i)]
        assert ids(index.bm25("acme", f"term{i}", 1)) == [str(i)]


def test_delete_counts_what_there_was(index: Index) -> None:
    put(index, "acme", document("1", "alpha"), document("2", "alpha"), document("3", "alpha"))
    assert index.delete("acme", ["1", "3", "4", "1"]) == 2
    assert index.delete("acme", ["1", "3"]) == 0
    assert index.delete("acme", []) == 0
    assert index.count("acme") == 1
    assert index.get("acme", "1") is None
    assert ids(index.bm25("acme", "alpha", 10)) == ["2"]
    assert ids(index.dense("acme", vectors_for(1)[0], 10)) == ["2"]


def test_a_deleted_document_can_be_written_again(index: Index) -> None:
    put(index, "acme", document("1", "alpha"))
    index.delete("acme", ["1"])
    put(index, "acme", document("1", "alpha"))
    assert ids(index.bm25("acme", "alpha", 10)) == ["1"]


ODD_IDS = [
    "",
    "a/b",
    "a b",
    "a\0b",
    "🦜",
    "日本語",
    "e\u0301",
    "é",
    "x" * 500,
    "x" * 499,
    "../../etc/passwd",
    "%2F",
    "1",
    "01",
]


def test_ids_are_any_string_and_stay_distinct(index: Index) -> None:
    vectors = put(index, "acme", *(document(each, f"text of number {i}") for i, each in enumerate(ODD_IDS)))
    assert index.count("acme") == len(ODD_IDS)
    for i, each in enumerate(ODD_IDS):
        stored = index.get("acme", each)
        assert stored == document(each, f"text of number {i}")
        assert ids(index.dense("acme", vectors[i], 1)) == [each]
    assert index.delete("acme", ODD_IDS) == len(ODD_IDS)


# Tenants and domains


def test_one_id_in_two_tenants_is_two_documents(index: Index) -> None:
    put(index, "acme", document("1", "alpha"))
    put(index, "globex", document("1", "beta"))
    assert index.get("acme", "1") == document("1", "alpha")
    assert index.get("globex", "1") == document("1", "beta")
    assert index.digests("acme", ["1"]) != index.digests("globex", ["1"])
    assert index.delete("acme", ["1"]) == 1
    assert index.get("globex", "1") == document("1", "beta")
    assert (index.count("acme"), index.count("globex")) == (0, 1)


def test_no_method_reaches_another_tenant(index: Index) -> None:
    vectors = put(index, "acme", document("1", "secret plan", domain="d"))
    assert index.count("globex") == 0
    assert index.get("globex", "1") is None
    assert index.documents("globex", ["1"]) == {}
    assert index.digests("globex", ["1"]) == {}
    assert index.delete("globex", ["1"]) == 0
    assert index.dense("globex", vectors[0], 10) == []
    assert index.dense("globex", vectors[0], 10, ["d"]) == []
    assert index.bm25("globex", "secret plan", 10) == []
    assert index.bm25("globex", "secret plan", 10, ["d"]) == []
    assert index.count("acme") == 1


def test_tenant_and_id_cannot_be_confused_at_their_border(index: Index) -> None:
    put(index, "a", document("b\0c", "one"))
    put(index, "a\0b", document("c", "two"))
    put(index, "ab", document("c", "three"))
    assert [index.count(tenant) for tenant in ("a", "a\0b", "ab")] == [1, 1, 1]


def test_bm25_scores_tell_nothing_of_other_tenants(index: Index) -> None:
    put(index, "acme", document("1", "rare common"), document("2", "common"))
    before = index.bm25("acme", "rare common", 10)
    put(index, "globex", *(document(str(i), "rare rare common") for i in range(50)))
    after = index.bm25("acme", "rare common", 10)
    assert ids(after) == ids(before)
    assert [each.score for each in after] == pytest.approx([each.score for each in before])


def test_searches_narrow_to_any_of_the_domains(index: Index) -> None:
    vectors = put(
        index,
        "acme",
        document("m", "shared word", domain="medicine"),
        document("f", "shared word", domain="finance"),
        document("none", "shared word", domain=""),
    )
    for domains, expected in [
        ((), {"m", "f", "none"}),
        (["medicine"], {"m"}),
        (["medicine", "finance"], {"m", "f"}),
        ([""], {"none"}),
        (["unknown"], set()),
    ]:
        assert set(ids(index.dense("acme", vectors[0], 10, domains))) == expected
        assert set(ids(index.bm25("acme", "shared", 10, domains))) == expected


def test_a_domain_filter_changes_no_bm25_score(index: Index) -> None:
    put(index, "acme", document("1", "word", domain="a"), document("2", "word", domain="b"), document("3", "x"))
    scores = {each.id: each.score for each in index.bm25("acme", "word", 10)}
    assert index.bm25("acme", "word", 10, ["b"])[0].score == pytest.approx(scores["2"])


def test_inhabited_domains_are_those_that_a_document_has(index: Index) -> None:
    put(
        index,
        "acme",
        document("m1", domain="medicine"),
        document("m2", domain="medicine"),
        document("f", domain="finance"),
        document("none", domain=""),
    )
    put(index, "globex", document("g", domain="gardening"))
    assert index.inhabited("acme", ["nosuch", "medicine", "", "gardening"]) == {"medicine", ""}
    assert index.inhabited("acme", ["Medicine", "med", "medicine "]) == set()
    assert index.inhabited("globex", ["medicine", "gardening", "gardening"]) == {"gardening"}
    assert index.inhabited("acme", []) == set()


def test_a_domain_is_inhabited_until_its_last_document_leaves(index: Index) -> None:
    assert index.inhabited("acme", ["old", "new"]) == set()
    put(index, "acme", document("1", domain="old"), document("2", domain="old"))
    index.delete("acme", ["1"])
    assert index.inhabited("acme", ["old", "new"]) == {"old"}
    put(index, "acme", document("2", domain="new"))
    assert index.inhabited("acme", ["old", "new"]) == {"new"}


def test_as_many_domains_as_a_search_may_name_are_looked_up_at_once(index: Index) -> None:
    put(index, "acme", *(document(str(i), domain=f"domain-{i}") for i in range(0, 64, 2)))
    found = index.inhabited("acme", [f"domain-{i}" for i in range(64)])
    assert found == {f"domain-{i}" for i in range(0, 64, 2)}


# Dense ranking


def test_dense_ranking_is_the_exact_cosine_ranking(index: Index) -> None:
    count = 200
    vectors = vectors_for(count, seed=1) * np.random.default_rng(2).uniform(0.1, 10, (count, 1)).astype(np.float32)
    documents = [IndexedDocument.of(document(f"{i:03}")) for i in range(count)]
    index.upsert("acme", documents, vectors)
    for query in vectors_for(5, seed=3):
        cosine = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
        expected = np.argsort(-cosine)[:25]
        found = index.dense("acme", query, 25)
        assert ids(found) == [f"{i:03}" for i in expected]
        np.testing.assert_allclose([each.score for each in found], cosine[expected], atol=1e-5)


def test_equal_scores_are_ordered_by_id(index: Index) -> None:
    names = ["c", "a", "d", "b"]
    index.upsert("acme", [IndexedDocument.of(document(each, "twin")) for each in names], np.ones((4, 8), np.float32))
    assert ids(index.dense("acme", np.ones(8, np.float32), 10)) == ["a", "b", "c", "d"]
    assert ids(index.bm25("acme", "twin", 10)) == ["a", "b", "c", "d"]


def test_a_zero_vector_is_stored_and_scores_zero(index: Index) -> None:
    index.upsert("acme", [IndexedDocument.of(document("0"))], np.zeros((1, DIMENSION), np.float32))
    assert index.dense("acme", vectors_for(1)[0], 10) == [Candidate("0", 0.0)]


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        (np.ones((1, 5), np.float32), "vectors is 5 wide, but the index holds vectors of 8: embed with the model"),
        (np.ones((2, 8), np.float32), r"vectors has shape \(2, 8\) for 1 documents: give one row per document"),
        (np.ones(8, np.float32), r"vectors has shape \(8,\) for 1 documents"),
        (np.full((1, 8), np.nan, np.float32), "vectors holds NaN or infinity"),
    ],
)
def test_unfit_vectors_are_refused_and_nothing_is_written(index: Index, vectors: np.ndarray, problem: str) -> None:
    with pytest.raises(InvalidVectorError, match=problem):
        index.upsert("acme", [IndexedDocument.of(document("1"))], vectors)
    assert index.count("acme") == 0


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        (np.ones(9, np.float32), "vector is 9 wide, but the index holds vectors of 8: embed with the model"),
        (np.ones((1, 8), np.float32), r"vector has shape \(1, 8\): give one vector of 8 values"),
        (np.full(8, np.inf, np.float32), "vector holds NaN or infinity"),
    ],
)
def test_unfit_query_vectors_are_refused(index: Index, vector: np.ndarray, problem: str) -> None:
    with pytest.raises(InvalidVectorError, match=problem):
        index.dense("acme", vector, 10)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_search_for_nothing_is_refused(index: Index, limit: int) -> None:
    with pytest.raises(InvalidQueryError, match=f"limit is {limit}: ask for at least 1"):
        index.dense("acme", vectors_for(1)[0], limit)
    with pytest.raises(InvalidQueryError, match=f"limit is {limit}: ask for at least 1"):
        index.bm25("acme", "word", limit)


# BM25


@pytest.mark.parametrize("text", ["", "   ", "the of and", "?! ... ,", "\n\t"])
def test_a_query_without_a_word_finds_nothing(index: Index, text: str) -> None:
    put(index, "acme", document("1", "the of and something"), document("2", ""))
    assert index.bm25("acme", text, 10) == []


@pytest.mark.parametrize("text", ["", "the of and", "..."])
def test_a_document_without_a_word_is_found_by_its_vector(index: Index, text: str) -> None:
    vectors = put(index, "acme", document("1", text))
    assert index.bm25("acme", "anything", 10) == []
    assert ids(index.dense("acme", vectors[0], 10)) == ["1"]


def test_words_are_searched_in_title_and_text(index: Index) -> None:
    put(index, "acme", document("title", "other", title="Turbulence"), document("text", "turbulence"))
    assert set(ids(index.bm25("acme", "turbulence", 10))) == {"title", "text"}


def test_only_documents_that_share_a_word_are_found(index: Index) -> None:
    put(index, "acme", document("1", "boundary layer"), document("2", "shock wave"))
    assert ids(index.bm25("acme", "waves", 10)) == ["2"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("call asyncio.gather(*tasks)", "gather"),
        ("os_path joins", "path"),
        ("class HTTPServer", "server"),
        ("class HTTPServer", "httpserver"),
        ("getUserById(id)", "user"),
        ("日本語 テスト", "テスト"),
        ("NAÏVE Café", "café"),
        ("running engines", "engine runs"),
    ],
)
def test_words_are_found_in_code_and_in_other_forms(index: Index, text: str, query: str) -> None:
    put(index, "acme", document("1", text), document("2", "something unrelated"))
    assert ids(index.bm25("acme", query, 10)) == ["1"]


def test_bm25_scores_follow_the_formula(index: Index) -> None:
    texts = ["wing wing lift", "wing drag drag drag flow", "heat flow", "plate"]
    put(index, "acme", *(document(str(i), text) for i, text in enumerate(texts)))
    expected = okapi("wing flow flow", texts, average_length=IDENTITY.bm25_average_length)
    found = index.bm25("acme", "wing flow flow", 10)
    assert {each.id: each.score for each in found} == pytest.approx(expected, rel=1e-4)
    assert ids(found) == sorted(expected, key=lambda each: -expected[each])


def test_bm25_statistics_forget_deleted_documents(index: Index) -> None:
    texts = ["wing lift", "wing drag", "heat"]
    put(index, "umbrella", document("0", "wing"))  # a tenant that is alone may have its deletions counted for a while
    put(index, "acme", *(document(str(i), text) for i, text in enumerate([*texts, "wing wing", "drag"])))
    index.delete("acme", ["3", "4"])
    found = index.bm25("acme", "wing", 10)
    assert {each.id: each.score for each in found} == pytest.approx(okapi("wing", texts, 100.0), rel=1e-4)


def okapi(query: str, texts: Sequence[str], average_length: float) -> dict[str, float]:
    """The formula of `bm25`, word by word, for texts without stop words or inflections."""
    documents = [Counter(text.split()) for text in texts]
    scores: dict[str, float] = {}
    for term, in_query in Counter(query.split()).items():
        having = sum(term in counts for counts in documents)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for i, counts in enumerate(documents):
            if term in counts:
                norm = 1.2 * (0.25 + 0.75 * counts.total() / average_length)
                weight = idf * 2.2 * counts[term] / (norm + counts[term]) * 9 * in_query / (8 + in_query)
                scores[str(i)] = scores.get(str(i), 0.0) + weight
    return scores


# Opening


def test_documents_are_there_after_reopening(open_index: Opener) -> None:
    index = open_index()
    vectors = put(index, "acme", document("1", "alpha"), document("2", "beta"))
    index.delete("acme", ["2"])
    index.flush()
    index.close()
    reopened = open_index()
    assert reopened.get("acme", "1") == document("1", "alpha")
    assert reopened.count("acme") == 1
    assert ids(reopened.bm25("acme", "alpha", 10)) == ["1"]
    assert ids(reopened.dense("acme", vectors[0], 10)) == ["1"]
    reopened.close()


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (IndexIdentity("model-b", DIMENSION), r"model_id 'model-a' \(this service: 'model-b'\): start with the model"),
        (IndexIdentity("model-a", 4), r"dimension 8 \(this service: 4\): start with the model"),
        (IndexIdentity("model-a", DIMENSION, 40.0), r"bm25_average_length 100.0 \(this service: 40.0\)"),
        (IndexIdentity("model-b", 4), r"model_id 'model-a' \(this service: 'model-b'\), dimension 8"),
    ],
)
def test_another_model_cannot_open_the_index(open_index: Opener, other: IndexIdentity, problem: str) -> None:
    index = open_index()
    put(index, "acme", document("1"))
    index.close()
    with pytest.raises(IndexMismatchError, match=problem):
        open_index(other)
    rightful = open_index()
    assert rightful.count("acme") == 1
    rightful.close()


# Any sequence of writes

TENANTS = st.sampled_from(["acme", "globex"])
NAMES = st.sampled_from(["1", "2", "a/b", "🦜"])
WORDS = st.sampled_from(["alpha", "beta", "the", ""])
STEPS = st.lists(st.tuples(st.booleans(), TENANTS, NAMES, WORDS), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_writes_leave_what_a_dictionary_would_hold(index: Index, steps: list[tuple[bool, str, str, str]]) -> None:
    for tenant in ("acme", "globex"):
        index.delete(tenant, ["1", "2", "a/b", "🦜"])
    expected: dict[str, dict[str, Document]] = {"acme": {}, "globex": {}}
    for is_delete, tenant, name, word in steps:
        if is_delete:
            assert index.delete(tenant, [name]) == (expected[tenant].pop(name, None) is not None)
        else:
            expected[tenant][name] = document(name, word)
            put(index, tenant, expected[tenant][name])
    for tenant, documents in expected.items():
        assert index.count(tenant) == len(documents)
        assert index.documents(tenant, ["1", "2", "a/b", "🦜"]) == documents
        having = sorted(name for name, each in documents.items() if each.text == "alpha")
        assert ids(index.bm25(tenant, "alpha", 10)) == having


def test_dense_ranking_keeps_to_a_space(index: Index) -> None:
    """Vectors of different experts do not compare."""
    for place, space in enumerate(("", "law@1", "law@2", "bio@1")):
        indexed = IndexedDocument.of(document(str(place)), space)
        index.upsert("acme", [indexed], np.ones((1, DIMENSION), np.float32))
    vector = np.ones(DIMENSION, np.float32)
    assert [found.id for found in index.dense("acme", vector, 10, space="")] == ["0"]
    assert [found.id for found in index.dense("acme", vector, 10, space="law@2")] == ["2"]
    assert index.dense("acme", vector, 10, space="law@3") == []
    assert len(index.dense("acme", vector, 10)) == 4
    assert index.inhabited_spaces("acme", ["law@1", "law@3", "bio@1"]) == {"law@1", "bio@1"}
    assert index.inhabited_spaces("globex", ["law@1"]) == frozenset()
    assert index.inhabited_spaces("acme", []) == frozenset()


def test_another_space_is_a_change() -> None:
    digests = {IndexedDocument.of(document("1"), space).digest for space in ("", "law@1", "law@2")}
    assert len(digests) == 3
