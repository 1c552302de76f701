"""Vectors as messages carry them, read back."""

from attune.embedding.v1.embedding_pb2 import DATA_TYPE_FLOAT32, DataType, VectorBatch
from attune.embeddings.errors import VectorError
from attune.embeddings.vectors import Matrix, from_bytes


def to_matrix(batch: VectorBatch) -> Matrix:
    """The rows of a batch as a float32 matrix [n, d], whatever type they travelled in.

    Raises:
        VectorError: the shape is not [n, d], or the bytes do not fit shape and type.
        ValueError: the type is one that this contract does not know.
    """
    if len(batch.shape) != 2:
        raise VectorError(f"vectors.shape is {list(batch.shape)}: expected rows and columns, [n, d]")
    rows, columns = batch.shape
    dtype = DataType.Name(batch.dtype or DATA_TYPE_FLOAT32).removeprefix("DATA_TYPE_").lower()
    return from_bytes(batch.data, dtype, (rows, columns))
