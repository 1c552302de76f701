"""Between messages and the embedding library's types."""

from collections.abc import Sequence

import numpy as np
from google.rpc import code_pb2, status_pb2
from numpy.typing import NDArray

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.domains import Domain
from attune.embeddings.errors import ComputeError, TextError
from attune.embeddings.items import Embedded, EmbedItem, EmbedResult, ItemError, Role
from attune.embeddings.lanes import Lane
from attune.embeddings.vectors import VectorDtype, to_bytes, truncate_dimensions
from attune.services.runtime.errors import invalid

_ROLES = {pb.ROLE_UNSPECIFIED: Role.PASSAGE, pb.ROLE_QUERY: Role.QUERY, pb.ROLE_PASSAGE: Role.PASSAGE}
_DTYPES = {
    pb.DATA_TYPE_UNSPECIFIED: VectorDtype.FLOAT32,
    pb.DATA_TYPE_FLOAT32: VectorDtype.FLOAT32,
    pb.DATA_TYPE_FLOAT16: VectorDtype.FLOAT16,
    pb.DATA_TYPE_INT8: VectorDtype.INT8,
    pb.DATA_TYPE_BINARY: VectorDtype.BINARY,
}


AUGMENTATIONS = {
    pb.AUGMENTATION_UNSPECIFIED: "",
    pb.AUGMENTATION_NONE: Augmentation.NONE,
    pb.AUGMENTATION_STATISTICAL: Augmentation.STATISTICAL,
    pb.AUGMENTATION_LEARNED: Augmentation.LEARNED,
    pb.AUGMENTATION_CONTEXTUAL: Augmentation.CONTEXTUAL,
    pb.AUGMENTATION_PROBES: Augmentation.PROBES,
    pb.AUGMENTATION_TOWER: Augmentation.TOWER,
}
_NUMBERS = {kind: number for number, kind in AUGMENTATIONS.items() if isinstance(kind, Augmentation)}


def lane_of(lane: pb.Lane.ValueType, default: Lane) -> Lane:
    """The lane that a request asks for."""
    return {pb.LANE_INTERACTIVE: Lane.INTERACTIVE, pb.LANE_BULK: Lane.BULK}.get(lane, default)


def embed_items(request: pb.EmbedRequest) -> list[EmbedItem]:
    """The texts of a request."""
    return [
        EmbedItem(
            text=each.text,
            domain=each.domain,
            role=_ROLES[each.role],
            truncate=not request.refuse_long,
            augmentation=AUGMENTATIONS[each.augmentation],
            explain=request.explain,
        )
        for each in request.inputs
    ]


def vector_batch(
    results: Sequence[EmbedResult], dtype: pb.DataType.ValueType, dimension: int, full_dimension: int
) -> pb.VectorBatch:
    """The vectors of the texts that have one: the first `dimension` components of `full_dimension`.

    int8 is of the unit vector, also where the model leaves lengths as they are.
    """
    vectors = [each.vector for each in results if isinstance(each, Embedded)]
    matrix: NDArray[np.float32] = np.stack(vectors) if vectors else np.zeros((0, full_dimension), np.float32)
    if dimension < full_dimension or dtype == pb.DATA_TYPE_INT8:
        matrix = truncate_dimensions(matrix, dimension)
    written = dtype or pb.DATA_TYPE_FLOAT32
    return pb.VectorBatch(data=to_bytes(matrix, _DTYPES[dtype]), dtype=written, shape=matrix.shape)


def embedded_items(results: Sequence[EmbedResult]) -> list[pb.EmbeddedItem]:
    """What became of each text; rows are numbered over those that have a vector."""
    items = []
    row = 0
    for each in results:
        if isinstance(each, Embedded):
            items.append(_embedded_item(each, row))
            row += 1
        else:
            items.append(pb.EmbeddedItem(error=_item_error(each)))
    return items


def embedded_vectors(results: Sequence[EmbedResult], field: str) -> NDArray[np.float32]:
    """The vectors [n, d] of n texts.

    Raises:
        ServiceError: INVALID_ARGUMENT, naming the place in `field` of the first text that has none; a `ComputeError`,
            which is not the caller's, is raised as it is.
    """
    for place, each in enumerate(results):
        if isinstance(each, ComputeError):
            raise each
        if not isinstance(each, Embedded):
            raise invalid(f"{field}[{place}]", _item_error(each).message)
    return np.stack([each.vector for each in results if isinstance(each, Embedded)])


def pair_scores(texts: Sequence[str], values: Sequence[float]) -> list[pb.PairScore]:
    """A score for each text, the blank ones left out in `values`."""
    scores = iter(values)
    blank = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="the text is empty: send at least one word")
    return [pb.PairScore(score=next(scores)) if each.strip() else pb.PairScore(error=blank) for each in texts]


def domain_routes(domains: Sequence[str], probabilities: NDArray[np.float64]) -> list[pb.DomainRoute]:
    """For each row [domains] of probabilities, the likeliest domain first."""
    return [
        pb.DomainRoute(
            domains=[
                pb.DomainProbability(domain=domains[place], probability=float(row[place]))
                for place in np.argsort(-row, kind="stable")
            ]
        )
        for row in probabilities
    ]


def domain_messages(domains: Sequence[Domain]) -> list[pb.Domain]:
    """Domains and their experts."""
    return [
        pb.Domain(
            domain=each.id,
            description=each.description,
            expert=each.kind.value,
            version=each.version,
            memory_bytes=each.expert.memory_bytes,
            augmenters=_augmenters(each),
        )
        for each in domains
    ]


def _embedded_item(embedded: Embedded, row: int) -> pb.EmbeddedItem:
    item = pb.EmbeddedItem(
        row=row, token_count=embedded.token_count, truncated=embedded.truncated, domain=embedded.domain
    )
    augmented = embedded.augmented
    item.augmentation = _NUMBERS[augmented.kind]
    if augmented.explained:
        item.explanation.moved = augmented.moved
        item.explanation.influences.extend(
            pb.TokenInfluence(token=each.token, weight=each.weight, moved=each.moved) for each in augmented.influences
        )
    return item


def _augmenters(domain: Domain) -> list[pb.Augmenter]:
    return [
        pb.Augmenter(
            augmentation=_NUMBERS[each.kind],
            default=each.default,
            version=each.version,
            memory_bytes=each.memory_bytes,
        )
        for each in domain.augmenters
    ]


def _item_error(error: ItemError) -> status_pb2.Status:
    code = code_pb2.INTERNAL if isinstance(error, ComputeError) else code_pb2.INVALID_ARGUMENT
    return status_pb2.Status(code=code, message=error.reason if isinstance(error, TextError) else str(error))
