"""Vectors come out of a message as they went in, in whatever type they travelled."""

import numpy as np
import pytest

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embeddings.errors import VectorError
from attune.embeddings.vectors import to_bytes
from attune.services.runtime.vectors import to_matrix

MATRIX = np.array([[1.0, -1.0, 0.5], [0.0, 0.25, -0.5]], np.float32)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (pb.DATA_TYPE_UNSPECIFIED, "float32"),
        (pb.DATA_TYPE_FLOAT32, "float32"),
        (pb.DATA_TYPE_FLOAT16, "float16"),
        (pb.DATA_TYPE_INT8, "int8"),
    ],
)
def test_a_matrix_comes_back_from_every_number_type(dtype: pb.DataType, name: str) -> None:
    found = to_matrix(pb.VectorBatch(data=to_bytes(MATRIX, name), dtype=dtype, shape=MATRIX.shape))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, MATRIX, atol=1 / 127)


def test_bits_come_back_as_signs() -> None:
    found = to_matrix(pb.VectorBatch(data=to_bytes(MATRIX, "binary"), dtype=pb.DATA_TYPE_BINARY, shape=MATRIX.shape))
    assert found.tolist() == [[1, -1, 1], [-1, 1, -1]]


def test_no_rows_are_a_matrix_too() -> None:
    assert to_matrix(pb.VectorBatch(dtype=pb.DATA_TYPE_FLOAT32, shape=[0, 384])).shape == (0, 384)


@pytest.mark.parametrize("shape", [[], [6], [1, 2, 3]])
def test_a_shape_that_is_no_matrix_is_refused(shape: list[int]) -> None:
    with pytest.raises(VectorError, match=r"vectors\.shape is .*expected rows and columns"):
        to_matrix(pb.VectorBatch(data=to_bytes(MATRIX, "float32"), dtype=pb.DATA_TYPE_FLOAT32, shape=shape))


def test_bytes_that_do_not_fit_the_shape_are_refused() -> None:
    with pytest.raises(VectorError, match="expected 24 bytes"):
        to_matrix(pb.VectorBatch(data=b"1234", dtype=pb.DATA_TYPE_FLOAT32, shape=[2, 3]))


def test_a_type_of_a_later_contract_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        to_matrix(pb.VectorBatch(data=b"", dtype=99, shape=[0, 3]))  # type: ignore[arg-type]
