"""Vectors kept in a file."""

import numpy as np
import pytest

from attune.embeddings.errors import ModelError
from attune.embeddings.stored_vectors import StoredVectors

VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_they_are_found_by_text_and_maker_again(tmp_path):
    file = tmp_path / "vectors.npz"
    stored = StoredVectors(file)
    stored.keep("v1 query", ["a", "b\ud800"], VECTORS)
    stored.save()
    again = StoredVectors(file)
    np.testing.assert_array_equal(again.find("v1 query", "b\ud800"), VECTORS[1])
    assert again.find("v2 query", "a") is None
    assert again.find("v1 query", "c") is None


def test_nothing_is_written_where_nothing_is_new(tmp_path):
    file = tmp_path / "vectors.npz"
    StoredVectors(file).save()
    assert not file.exists()
    StoredVectors().save()


def test_another_file_is_refused_and_left(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("my notes")
    with pytest.raises(ModelError, match=r"notes.txt has no vectors"):
        StoredVectors(file)
    assert file.read_text() == "my notes"


def test_a_damaged_file_is_refused(tmp_path):
    file = tmp_path / "vectors.npz"
    stored = StoredVectors(file)
    stored.keep("v1", ["a", "b"], VECTORS)
    stored.save()
    for content in (file.read_bytes()[:40], b""):
        file.write_bytes(content)
        with pytest.raises(ModelError, match="has no vectors"):
            StoredVectors(file)


def test_vectors_of_another_length_are_refused():
    stored = StoredVectors()
    stored.keep("v1", ["a", "b"], VECTORS)
    with pytest.raises(ModelError, match="vectors of 3, these are of 2"):
        stored.keep("v2", ["a"], VECTORS[:1, :2])
