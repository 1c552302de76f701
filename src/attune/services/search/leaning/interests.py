"""What a user has read and said, as vectors that documents are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import grpc
import numpy as np
import structlog

from attune.services.search.index.port import FloatVector
from attune.services.search.leaning.leaned import Interests
from attune.services.search.leaning.said import SaidVectors
from attune.services.search.person import Remembered
from attune.services.search.spaces import Space

_log = structlog.get_logger("attune.search")


@dataclass(frozen=True)
class Evidence:
    """Interests, and what each of them is: of a statement its time alone, for rankings are kept, and texts are not."""

    interests: Interests
    remembered: tuple[Remembered, ...]


@dataclass(frozen=True)
class Known:
    """What the user has said, and what the user has read; None where that is nothing."""

    statements: Evidence | None = None
    documents: Evidence | None = None

    def __bool__(self) -> bool:
        return bool(self.statements or self.documents)


def known_interests(
    history: Sequence[Remembered],
    documents: Mapping[str, FloatVector],
    statements: Sequence[tuple[Remembered, FloatVector]],
) -> Known:
    """Those of a history that can be compared with documents of a space: the `documents` of it that have a vector
    there, by id, and its `statements`. A document that was deleted, or that another expert has embedded, is none.
    """
    read = [(each, documents[each.document_id]) for each in history if each.document_id in documents]
    return Known(_evidence(statements), _evidence(read))


async def statements_of(
    history: Sequence[Remembered], vectors: SaidVectors, tenant: str, space: Space
) -> list[tuple[Remembered, FloatVector]]:
    """The statements of a history with their vectors; none where they cannot be embedded now: documents count alone."""
    said = [each for each in history if each.statement]
    try:
        found = await vectors.all_of(tenant, [each.statement for each in said], space.domain, space.key or "")
    except grpc.aio.AioRpcError as error:
        _log.warning("the user's statements do not count: they cannot be embedded", code=error.code().name)
        return []
    return [(each, vector) for each, vector in zip(said, found, strict=True) if vector is not None]


def _evidence(pairs: Sequence[tuple[Remembered, FloatVector]]) -> Evidence | None:
    if not pairs:
        return None
    interests = Interests(np.stack([vector for _, vector in pairs]), np.ones(len(pairs)))
    return Evidence(interests, tuple(replace(each, statement="") if each.statement else each for each, _ in pairs))
