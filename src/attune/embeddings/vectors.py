"""Vectors as bytes and back, and vectors cut to fewer dimensions.

A matrix [n, d] travels row after row. `float32` and `float16` are little-endian. `int8` is round(127 x), so it needs
components within [-1, 1], which normalised vectors have. `binary` is one bit a component, 1 where x > 0, most
significant bit first, each row filled up with zero bits to whole bytes.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.errors import VectorError

Matrix = NDArray[np.float32]

_INT8_SCALE = 127.0
_INT8_TOLERANCE = 1e-3  # rounding may carry a normalised component a little over 1


class VectorDtype(StrEnum):
    """The formats vectors travel in."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    BINARY = "binary"


def to_bytes(matrix: Matrix, dtype: str) -> bytes:
    """The rows of a float32 matrix [n, d] in the format `dtype`.

    Raises `VectorError` for an unknown dtype, a matrix that is not two-dimensional, or values that the format cannot
    hold.
    """
    target = _known(dtype)
    if matrix.ndim != 2:
        raise VectorError(f"the vectors have {matrix.ndim} dimensions, expected 2: pass a matrix [n, d]")
    if not np.isfinite(matrix).all():
        raise VectorError("the vectors hold NaN or infinity: embed the texts again")
    return _ENCODERS[target](matrix)


def from_bytes(data: bytes, dtype: str, shape: tuple[int, int]) -> Matrix:
    """The float32 matrix of that shape [n, d] that `to_bytes` wrote; binary components come back as +1 and -1.

    Raises `VectorError` for an unknown dtype, a shape that is not positive, or a byte count that does not fit it.
    """
    target = _known(dtype)
    rows, dimension = shape
    if rows < 0 or dimension < 1:
        raise VectorError(f"shape {shape} is impossible: give [n, d] with n >= 0 and d >= 1")
    expected = rows * row_bytes(target, dimension)
    if len(data) != expected:
        raise VectorError(f"{len(data)} bytes are not {shape} vectors of {target}: expected {expected} bytes")
    return _DECODERS[target](data, (rows, dimension))


def row_bytes(dtype: str, dimension: int) -> int:
    """How many bytes one vector of that many dimensions takes."""
    widths = {VectorDtype.FLOAT32: 4 * dimension, VectorDtype.FLOAT16: 2 * dimension, VectorDtype.INT8: dimension}
    return widths.get(_known(dtype), -(-dimension // 8))


def truncate_dimensions(matrix: Matrix, dimension: int) -> Matrix:
    """The first `dimension` components of each row [n, d], L2-normalised again; a row of zeros stays zeros.

    Meaningful for models trained for it (Kusupati et al., "Matryoshka Representation Learning", arXiv 2205.13147);
    others lose accuracy. Raises `VectorError` when `dimension` is not within 1..d.
    """
    if not 1 <= dimension <= matrix.shape[1]:
        raise VectorError(f"dimension {dimension} is out of range: give 1 to {matrix.shape[1]}")
    cut = matrix[:, :dimension]
    norms = np.linalg.norm(cut, axis=1, keepdims=True)
    result: Matrix = np.divide(cut, norms, out=np.zeros_like(cut), where=norms > 0)
    return result


def _known(dtype: str) -> VectorDtype:
    try:
        return VectorDtype(dtype)
    except ValueError:
        raise VectorError(f"vector dtype {dtype!r} is unknown: use one of {', '.join(VectorDtype)}") from None


def _float32_bytes(matrix: Matrix) -> bytes:
    return matrix.astype("<f4", copy=False).tobytes()


def _float16_bytes(matrix: Matrix) -> bytes:
    largest = float(np.finfo(np.float16).max)
    if np.abs(matrix).max(initial=0.0) > largest:
        raise VectorError(f"float16 holds values up to {largest:.0f}: use float32 for these vectors")
    return matrix.astype("<f2").tobytes()


def _int8_bytes(matrix: Matrix) -> bytes:
    if np.abs(matrix).max(initial=0.0) > 1 + _INT8_TOLERANCE:
        raise VectorError("int8 needs components within [-1, 1]: normalise the vectors or use float32")
    scaled: Matrix = np.clip(np.rint(matrix * _INT8_SCALE), -_INT8_SCALE, _INT8_SCALE)
    return scaled.astype(np.int8).tobytes()


def _binary_bytes(matrix: Matrix) -> bytes:
    return np.packbits(matrix > 0, axis=1).tobytes()


def _number_decoder(dtype: str, scale: float = 1.0) -> Callable[[bytes, tuple[int, int]], Matrix]:
    def decode(data: bytes, shape: tuple[int, int]) -> Matrix:
        values: NDArray[Any] = np.frombuffer(data, dtype=dtype).reshape(shape)
        return values.astype(np.float32) / np.float32(scale)

    return decode


def _binary_matrix(data: bytes, shape: tuple[int, int]) -> Matrix:
    packed = np.frombuffer(data, dtype=np.uint8).reshape(shape[0], -(-shape[1] // 8))
    bits = np.unpackbits(packed, axis=1, count=shape[1])
    return bits.astype(np.float32) * 2 - 1


_ENCODERS: dict[VectorDtype, Callable[[Matrix], bytes]] = {
    VectorDtype.FLOAT32: _float32_bytes,
    VectorDtype.FLOAT16: _float16_bytes,
    VectorDtype.INT8: _int8_bytes,
    VectorDtype.BINARY: _binary_bytes,
}
_DECODERS: dict[VectorDtype, Callable[[bytes, tuple[int, int]], Matrix]] = {
    VectorDtype.FLOAT32: _number_decoder("<f4"),
    VectorDtype.FLOAT16: _number_decoder("<f2"),
    VectorDtype.INT8: _number_decoder("i1", _INT8_SCALE),
    VectorDtype.BINARY: _binary_matrix,
}
