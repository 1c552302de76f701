import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attune.embeddings.errors import VectorError
from attune.embeddings.vectors import VectorDtype, from_bytes, row_bytes, to_bytes, truncate_dimensions

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)
components = st.floats(-1, 1, width=32)
matrices = hnp.arrays(np.float32, shapes, elements=components)


@settings(deadline=None)
@given(matrices)
def test_float32_comes_back_exactly(matrix):
    np.testing.assert_array_equal(from_bytes(to_bytes(matrix, "float32"), "float32", matrix.shape), matrix)


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2**-11), ("int8", 0.5 / 127 + 1e-6)])
@settings(deadline=None)
@given(matrix=matrices)
def test_rounded_formats_come_back_within_half_a_step(dtype, step, matrix):
    restored = from_bytes(to_bytes(matrix, dtype), dtype, matrix.shape)
    assert restored.dtype == np.float32
    assert np.abs(restored - matrix).max() <= step


@settings(deadline=None)
@given(matrices)
def test_binary_comes_back_as_signs(matrix):
    restored = from_bytes(to_bytes(matrix, "binary"), "binary", matrix.shape)
    np.testing.assert_array_equal(restored, np.where(matrix > 0, 1, -1))


@pytest.mark.parametrize("dtype", VectorDtype)
@settings(deadline=None)
@given(matrix=matrices)
def test_the_size_is_as_announced(dtype, matrix):
    assert len(to_bytes(matrix, dtype)) == matrix.shape[0] * row_bytes(dtype, matrix.shape[1])


def test_the_bytes_are_as_documented():
    matrix = np.array([[1.0, -0.5, 0.0]], dtype=np.float32)
    assert to_bytes(matrix, "float32").hex() == "0000803f" + "000000bf" + "00000000"
    assert to_bytes(matrix, "float16").hex() == "003c" + "00b8" + "0000"
    assert to_bytes(matrix, "int8").hex() == "7f" + "c0" + "00"
    assert to_bytes(matrix, "binary") == bytes([0b10000000])


def test_rows_of_bits_start_on_whole_bytes():
    matrix = np.ones((2, 9), dtype=np.float32)
    assert to_bytes(matrix, "binary") == bytes([0xFF, 0x80, 0xFF, 0x80])


def test_int8_vectors_keep_their_direction():
    vectors = np.random.default_rng(0).normal(size=(20, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    restored = from_bytes(to_bytes(vectors, "int8"), "int8", (20, 384))
    cosines = (restored * vectors).sum(axis=1) / np.linalg.norm(restored, axis=1)
    assert cosines.min() > 0.998


@pytest.mark.parametrize("dtype", VectorDtype)
def test_no_vectors_are_no_bytes(dtype):
    assert to_bytes(np.zeros((0, 5), dtype=np.float32), dtype) == b""
    assert from_bytes(b"", dtype, (0, 5)).shape == (0, 5)


def test_a_transposed_matrix_travels_row_by_row():
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(from_bytes(to_bytes(matrix, "float32"), "float32", (3, 2)), matrix)


@pytest.mark.parametrize("dtype", ["", "float64", "FLOAT32", "bits"])
def test_an_unknown_dtype_is_refused_with_the_known_ones(dtype):
    message = f"vector dtype '{dtype}' is unknown: use one of float32, float16, int8, binary"
    with pytest.raises(VectorError, match=message):
        to_bytes(np.zeros((1, 2), dtype=np.float32), dtype)
    with pytest.raises(VectorError, match=message):
        from_bytes(b"", dtype, (0, 2))


@pytest.mark.parametrize("difference", [-1, 1])
@pytest.mark.parametrize("dtype", VectorDtype)
def test_a_wrong_byte_count_is_refused(dtype, difference):
    size = 3 * row_bytes(dtype, 10)
    with pytest.raises(VectorError, match=rf"{size + difference} bytes are not \(3, 10\) .*: expected {size} bytes"):
        from_bytes(bytes(size + difference), dtype, (3, 10))


@pytest.mark.parametrize("shape", [(-1, 4), (1, 0), (1, -4)])
def test_an_impossible_shape_is_refused(shape):
    with pytest.raises(VectorError, match="is impossible"):
        from_bytes(b"", "float32", shape)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", VectorDtype)
def test_values_that_are_not_finite_are_refused(dtype, value):
    with pytest.raises(VectorError, match="NaN or infinity"):
        to_bytes(np.array([[0.5, value]], dtype=np.float32), dtype)


def test_a_single_vector_is_not_a_matrix():
    with pytest.raises(VectorError, match="have 1 dimensions, expected 2"):
        to_bytes(np.zeros(4, dtype=np.float32), "float32")


@pytest.mark.parametrize("value", [1.01, -2.0])
def test_int8_needs_components_within_one(value):
    with pytest.raises(VectorError, match=r"int8 needs components within \[-1, 1\]"):
        to_bytes(np.array([[value]], dtype=np.float32), "int8")


def test_float16_refuses_what_it_would_round_to_infinity():
    with pytest.raises(VectorError, match="float16 holds values up to 65504"):
        to_bytes(np.array([[1e5]], dtype=np.float32), "float16")


@settings(deadline=None)
@given(matrices, st.data())
def test_cut_vectors_have_unit_length_and_the_same_direction(matrix, data):
    dimension = data.draw(st.integers(1, matrix.shape[1]))
    cut = truncate_dimensions(matrix, dimension)
    assert cut.shape == (len(matrix), dimension)
    for row, original in zip(cut, matrix[:, :dimension], strict=True):
        norm = np.linalg.norm(original)
        if norm > 1e-6:
            np.testing.assert_allclose(row, original / norm, atol=1e-5)


def test_a_cut_row_of_zeros_stays_zeros():
    np.testing.assert_array_equal(truncate_dimensions(np.array([[0, 0, 1]], dtype=np.float32), 2), [[0, 0]])


def test_cutting_leaves_the_original_alone():
    matrix = np.array([[3, 4, 5]], dtype=np.float32)
    np.testing.assert_allclose(truncate_dimensions(matrix, 2), [[0.6, 0.8]], atol=1e-6)
    np.testing.assert_array_equal(matrix, [[3, 4, 5]])


@pytest.mark.parametrize("dimension", [0, -1, 4])
def test_a_dimension_out_of_range_is_refused(dimension):
    with pytest.raises(VectorError, match=f"dimension {dimension} is out of range: give 1 to 3"):
        truncate_dimensions(np.ones((1, 3), dtype=np.float32), dimension)
