"""What ranking reads of documents, beside the engine: right, or not there."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import structlog

from attune.services.search.index.bm25 import Bm25Encoder
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.forward_index import ForwardIndex
from attune.services.search.index.points import to_point
from attune.services.search.index.port import Document, FloatVector, IndexedDocument, ToRank
from attune.services.search.index.slots import Slots

DIMENSION = 8
FIELDS = DeclaredFields.parse("year:number, topics:keyword, at:time, open:boolean")


def forward(path: Path, dimension: int = DIMENSION) -> ForwardIndex:
    return ForwardIndex(path / "forward", dimension, FIELDS)


def vector(seed: int = 0) -> FloatVector:
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)


def put(index: ForwardIndex, document: Document, *, tenant: str = "acme", space: str = "", seed: int = 0) -> str:
    """Write a document; its digest."""
    indexed = IndexedDocument.of(document, space)
    point = to_point(tenant, indexed, vector(seed), Bm25Encoder(100.0))
    index.write(tenant, [(point.payload, vector(seed))])
    return indexed.digest


FULL = Document(
    "7",
    "",
    "",
    "medicine",
    ("Q1", "Q2"),
    {"year": "2024", "": "x", "a.b": "é\0\n"},
    "https://x.org/7",
    {"year": 2024.0, "topics": ("a", "b"), "at": datetime(2024, 5, 1, tzinfo=UTC), "open": True},
    ("staff", "board"),
    "pt-BR",
)


@pytest.mark.parametrize(
    "document",
    [
        FULL,
        Document("7", "", "", "d"),
        Document("ß\N{SNOWMAN}", "", "", ""),
        Document("7", "", "", "d", attributes={"half a pair": "\ud83d", "quotes": '"\\'}),
    ],
)
def test_a_document_comes_back_without_its_texts(tmp_path: Path, document: Document) -> None:
    index = forward(tmp_path)
    digest = put(index, document)
    assert index.to_rank("acme", {document.id: digest, "gone": digest}).documents == {document.id: document}


def test_texts_are_not_written_here(tmp_path: Path) -> None:
    put(forward(tmp_path), Document("7", "a secret title", "a secret text", "d"))
    assert all(b"secret" not in each.read_bytes() for each in (tmp_path / "forward").iterdir())


def test_vectors_come_back_with_length_one_and_their_spaces(tmp_path: Path) -> None:
    index = forward(tmp_path)
    digests = {
        "1": put(index, Document("1", "", "", "d")),
        "2": put(index, Document("2", "", "", "d"), space="é@1", seed=1),
    }
    found = index.vectors("acme", digests)
    assert {id_: each.space for id_, each in found.items()} == {"1": "", "2": "é@1"}
    for seed, id_ in enumerate(("1", "2")):
        assert found[id_].vector == pytest.approx(vector(seed) / np.linalg.norm(vector(seed)))
    assert index.to_rank("acme", digests).documents.keys() == {"1", "2"}


def test_the_vector_of_a_text_without_a_word_is_zero(tmp_path: Path) -> None:
    index, indexed = forward(tmp_path), IndexedDocument.of(Document("1", "", "", "d"))
    zeros = np.zeros(DIMENSION, np.float32)
    index.write("acme", [(to_point("acme", indexed, zeros, Bm25Encoder(100.0)).payload, zeros)])
    assert not index.vectors("acme", {"1": indexed.digest})["1"].vector.any()


def test_what_has_another_digest_is_not_there(tmp_path: Path) -> None:
    index = forward(tmp_path)
    before = put(index, Document("1", "", "", "law"))
    after = put(index, Document("1", "", "", "medicine"), seed=1)
    assert not index.to_rank("acme", {"1": before}).documents
    assert not index.vectors("acme", {"1": before})
    assert index.to_rank("acme", {"1": after}).documents["1"].domain == "medicine"


def test_the_same_id_of_another_tenant_is_another_document(tmp_path: Path) -> None:
    index = forward(tmp_path)
    digests = {tenant: put(index, Document("1", "", "", tenant), tenant=tenant) for tenant in ("acme", "umbrella")}
    index.remove("umbrella", ["1"])
    assert index.to_rank("acme", {"1": digests["acme"]}).documents
    assert not index.to_rank("umbrella", {"1": digests["umbrella"]}).documents


def test_of_a_document_that_is_too_long_only_the_vector_is_there(tmp_path: Path) -> None:
    index = forward(tmp_path)
    digest = put(index, Document("1", "", "", "d", attributes={"note": "x" * 2000}))
    assert not index.to_rank("acme", {"1": digest}).documents
    assert index.vectors("acme", {"1": digest}).keys() == {"1"}


@pytest.mark.parametrize(("space", "digest"), [("s" * 5000, "a"), ("", "d" * 65)])
def test_what_no_slot_can_hold_is_not_there(tmp_path: Path, space: str, digest: str) -> None:
    index, indexed = forward(tmp_path), IndexedDocument(Document("1", "", "", "d"), digest, space)
    index.write("acme", [(to_point("acme", indexed, vector(), Bm25Encoder(100.0)).payload, vector())])
    assert len(index) == 0
    assert not index.vectors("acme", {"1": digest})


def test_of_several_with_one_id_the_last_is_there(tmp_path: Path) -> None:
    index = forward(tmp_path)
    points = [
        to_point("acme", IndexedDocument.of(Document("1", "", "", domain)), vector(), Bm25Encoder(100.0))
        for domain in ("law", "medicine")
    ]
    index.write("acme", [(each.payload, vector()) for each in points])
    assert not index.to_rank("acme", {"1": points[0].payload["digest"]}).documents
    assert index.to_rank("acme", {"1": points[1].payload["digest"]}).documents["1"].domain == "medicine"


def test_another_start_finds_what_was_written(tmp_path: Path) -> None:
    digest = put(forward(tmp_path), FULL)
    assert forward(tmp_path).to_rank("acme", {"7": digest}).documents == {"7": FULL}
    assert not forward(tmp_path, dimension=16).to_rank("acme", {"7": digest}).documents


@pytest.mark.parametrize("at", [0, 9, 11, 14, 90, 105, 130])
def test_a_damaged_slot_is_not_there(tmp_path: Path, at: int) -> None:
    index = forward(tmp_path)
    digest = put(index, FULL)
    (file,) = (tmp_path / "forward").glob("*.slots")
    content = bytearray(file.read_bytes())
    assert any(content[:100])  # the first slot is taken first
    content[at] ^= 1
    file.write_bytes(content)
    damaged = forward(tmp_path)
    assert len(damaged) == 1
    assert not damaged.to_rank("acme", {"7": digest}).documents
    assert not damaged.vectors("acme", {"7": digest})


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_without_room_on_the_disk_documents_are_not_there_and_it_is_tried_again_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    index = ForwardIndex(tmp_path / "forward", DIMENSION, FIELDS, lambda: now)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(Slots, "write", full)
        digest = put(index, FULL)
        put(index, FULL)
    assert [(each["log_level"], each["error"]) for each in logs] == [("warning", "[Errno 28] No space left on device")]
    put(index, FULL)
    assert not index.to_rank("acme", {"7": digest}).documents
    now += 60
    put(index, FULL)
    assert index.to_rank("acme", {"7": digest}).documents


def test_files_that_cannot_be_opened_are_done_without(tmp_path: Path) -> None:
    (tmp_path / "forward").write_text("no directory")
    with structlog.testing.capture_logs() as logs:
        index = forward(tmp_path)
    assert [each["log_level"] for each in logs] == ["warning"]
    digest = put(index, FULL)
    index.remove("acme", ["7"])
    assert len(index) == 0
    assert index.to_rank("acme", {"7": digest}) == ToRank({}, {})
    assert index.vectors("acme", {"7": digest}) == {}


def test_unit_vectors_are_as_they_were_given(tmp_path: Path) -> None:
    index, indexed = forward(tmp_path), IndexedDocument.of(Document("1", "", "", "d"))
    given = np.array([0.6, 0.8, 1e-4, 0, 0, 0, 0, 0], np.float32)
    index.write("acme", [(to_point("acme", indexed, given, Bm25Encoder(100.0)).payload, given)])
    assert index.vectors("acme", {"1": indexed.digest})["1"].vector.tolist() == given.tolist()


@pytest.mark.parametrize("digest", ["x" * 63, "x" * 65, "x" * 66, "é" * 40, ""])
def test_a_digest_is_compared_as_a_whole(tmp_path: Path, digest: str) -> None:
    index, indexed = forward(tmp_path), IndexedDocument(Document("1", "", "", "d"), "x" * 64)
    index.write("acme", [(to_point("acme", indexed, vector(), Bm25Encoder(100.0)).payload, vector())])
    assert index.vectors("acme", {"1": "x" * 64})
    assert not index.vectors("acme", {"1": digest})
