"""Who wrote an index: vectors of two models do not compare, so an index opens only for the model that filled it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from attune.services.search.index.errors import IndexMismatchError
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.generations import Generation, GenerationState

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


def known_fields(declared: DeclaredFields, found: Mapping[str, object], *, where: str, mend: str) -> dict[str, str]:
    """The fields that an index has ever had, by the manifest found with it and today's declaration.

    A field that is not declared any more stays known: its values are still in the documents.

    Raises:
        IndexMismatchError: a field has another type than its values.
    """
    stored = found.get("fields")
    known = {str(name): str(kind) for name, kind in stored.items()} if isinstance(stored, Mapping) else {}
    changed = [
        f"{name} as {known[name]} (this service: {kind})" for name, kind in declared if known.get(name, kind) != kind
    ]
    if changed:
        raise IndexMismatchError(
            f"{where} has the field {', '.join(changed)}: "
            f"declare its type in ATTUNE_SEARCH_FIELDS, or another name, or {mend}"
        )
    return known | {name: str(kind) for name, kind in declared}


def of_manifest(name: str, state: GenerationState, manifest: Mapping[str, object]) -> Generation:
    """A generation by what its manifest says."""
    dimension = manifest.get("dimension")
    return Generation(name, state, str(manifest.get("model_id", "")), dimension if isinstance(dimension, int) else 0)
