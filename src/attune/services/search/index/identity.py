"""Who wrote an index: vectors of two models do not compare, so an index opens only for the model that filled it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from attune.services.search.index.errors import IndexMismatchError

SCHEMA = 1
"""Version of the stored layout: payload fields, vector names, and how BM25 splits text into words."""


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """What must be the same whenever an index is opened.

    `dimension` is the width of the dense vectors. `bm25_average_length` is baked into every stored BM25 vector
    (see `bm25`), so that changing it needs a new index too.
    """

    model_id: str
    dimension: int
    bm25_average_length: float = 100.0

    def to_manifest(self) -> dict[str, str | int | float]:
        return {"schema": SCHEMA, **asdict(self)}


def require_same(expected: IndexIdentity, found: Mapping[str, object], *, where: str, mend: str) -> None:
    """Compare the manifest found with the index against the identity it is opened as.

    Raises:
        IndexMismatchError: they differ; the message names each differing field with both values, and `mend`.
    """
    differences = [
        f"{name} {found.get(name)!r} (this service: {value!r})"
        for name, value in expected.to_manifest().items()
        if found.get(name) != value
    ]
    if differences:
        raise IndexMismatchError(f"{where} was written with {', '.join(differences)}: {mend}")
