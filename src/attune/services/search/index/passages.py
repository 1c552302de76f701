"""Passages of documents that are longer than the encoder reads: each with a vector, on the document's own point.

The engine keeps them as one vector of several rows, and ranks a point by the row that is nearest to the query. So they
come, are filtered and go with their document, in one write; and a document with many passages takes one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from attune.services.search.index.errors import InvalidVectorError

PASSAGES = "passages"
"""The name of the vector, and of the spans in the payload. Absent where a document has no passages."""

Span: TypeAlias = tuple[int, int]
"""Where a passage starts in the document's text, and where it ends, in characters."""


class Passage(NamedTuple):
    """A passage of a document, and its cosine to a query."""

    span: Span
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """The passages of one document: where they are in its text, and their unit vectors [passages, dimension]."""

    spans: Sequence[Span]
    vectors: npt.NDArray[np.float32]
    space: str = ""
    """As that of the document: by which expert."""

    def best(self, vector: npt.NDArray[np.float32]) -> Passage:
        """The passage nearest to a unit vector [dimension]; of several, the first."""
        cosines = self.vectors @ vector
        place = int(cosines.argmax())
        return Passage(self.spans[place], float(cosines[place]))


def require_passages(passages: Mapping[str, Passages], dimension: int) -> None:
    """Raises InvalidVectorError unless each has spans, and finite vectors [spans, dimension]."""
    for document, each in passages.items():
        expected = (len(each.spans), dimension)
        if not each.spans or each.vectors.shape != expected:
            raise InvalidVectorError(
                f"the passages of {document!r} have vectors of shape {each.vectors.shape}: "
                f"give one row of {dimension} for each of their {len(each.spans)} spans, at least one"
            )
        if not np.isfinite(each.vectors).all():
            raise InvalidVectorError(
                f"the passages of {document!r} hold NaN or infinity: check the model and its input"
            )


def to_spans(payload: Mapping[str, Any]) -> tuple[Span, ...]:
    """The spans that a payload tells of."""
    return tuple((start, end) for start, end in payload.get(PASSAGES, ()))
