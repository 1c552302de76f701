"""Digests, point ids and payloads."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.index.bm25 import Bm25Encoder
from attune.services.search.index.errors import InvalidVectorError, SearchIndexError
from attune.services.search.index.points import point_id, require_matrix, require_vector, to_document, to_point
from attune.services.search.index.port import Document, IndexedDocument, content_digest

DOCUMENT = Document("1", "Title", "Text", "medicine", ("Q1",), {"year": "2024", "venue": "X"}, "https://x.org")
TEXTS = st.text(max_size=20)
DOCUMENTS = st.builds(
    Document,
    id=TEXTS,
    title=TEXTS,
    text=TEXTS,
    domain=TEXTS,
    entity_ids=st.lists(TEXTS, max_size=3).map(tuple),
    attributes=st.dictionaries(TEXTS, TEXTS, max_size=3),
    url=TEXTS,
)


def test_a_digest_is_sha256_in_hex_and_stays_the_same_between_versions() -> None:
    assert content_digest(DOCUMENT) == "769132c723d48d8cacf5e737e3ddee76dbb3c25daa81c3a3e3e4bf85e6508706"
    assert len(content_digest(DOCUMENT)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"text": "Other"},
        {"domain": "finance"},
        {"url": ""},
        {"attributes": {"year": "2025", "venue": "X"}},
        {"attributes": {"year": "2024"}},
        {"attributes": {}},
        {"entity_ids": ("Q2", "Q3")},
        {"title": "TitleText", "text": ""},
        {"title": "", "text": "TitleText"},
    ],
)
def test_every_change_of_content_changes_the_digest(change: dict[str, object]) -> None:
    assert content_digest(replace(DOCUMENT, **change)) != content_digest(DOCUMENT)


@pytest.mark.parametrize("change", [{"id": "2"}, {"attributes": {"venue": "X", "year": "2024"}}])
def test_what_is_no_content_leaves_the_digest(change: dict[str, object]) -> None:
    assert content_digest(replace(DOCUMENT, **change)) == content_digest(DOCUMENT)


@given(one=DOCUMENTS, other=DOCUMENTS)
def test_digests_are_equal_exactly_when_the_content_is(one: Document, other: Document) -> None:
    def content(document: Document) -> tuple[object, ...]:
        return document.title, document.text, document.domain, document.attributes, document.url, document.entity_ids

    assert (content_digest(one) == content_digest(other)) == (content(one) == content(other))


def test_point_ids_are_stable() -> None:
    assert point_id("acme", "1") == "a275e289-02b5-5001-92e6-20e09c545b5f"


@given(one=st.tuples(TEXTS, TEXTS), other=st.tuples(TEXTS, TEXTS))
def test_point_ids_are_uuids_that_differ_when_tenant_or_id_does(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert uuid.UUID(point_id(*one)).version == 5
    assert (point_id(*one) == point_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [(("a", "b\0c"), ("a\0b", "c")), (("ab", "c"), ("a", "bc")), (("a", ""), ("", "a"))]
)
def test_no_two_splits_of_a_string_share_a_point(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert point_id(*one) != point_id(*other)


@given(document=DOCUMENTS)
def test_a_document_survives_its_payload(document: Document) -> None:
    indexed = IndexedDocument.of(document)
    point = to_point("acme", indexed, np.ones(2, np.float32), Bm25Encoder(100.0))
    assert to_document(point.payload, {}) == document
    assert point.payload["tenant"] == "acme"
    assert point.payload["digest"] == indexed.digest
    assert point.dense == [1.0, 1.0]


def test_fit_vectors_pass() -> None:
    require_matrix([IndexedDocument.of(DOCUMENT)] * 3, np.zeros((3, 4), np.float32), 4)
    require_vector(np.zeros(4, np.float32), 4)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 4, 1), (1, 3), (1, 0), (0, 4)])
def test_matrices_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidVectorError, match="vectors "):
        require_matrix([IndexedDocument.of(DOCUMENT)], np.zeros(shape, np.float32), 4)


@pytest.mark.parametrize("shape", [(), (1, 4), (3,), (0,)])
def test_query_vectors_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidVectorError, match="vector "):
        require_vector(np.zeros(shape, np.float32), 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(InvalidVectorError, match="vector holds NaN or infinity: check the model and its input"):
        require_vector(np.array([0, value], np.float32), 2)


def test_refused_vectors_are_value_errors_and_index_errors() -> None:
    assert issubclass(InvalidVectorError, ValueError)
    assert issubclass(InvalidVectorError, SearchIndexError)
