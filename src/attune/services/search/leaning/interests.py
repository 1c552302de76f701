"""What a user has read and said, as vectors that documents are compared with."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import grpc
import numpy as np
import structlog

from attune.services.search.index.port import FloatVector, Index
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


async def known_interests(
    index: Index, statements: SaidVectors, tenant: str, history: Sequence[Remembered], space: Space
) -> Known:
    """Those that can be compared with documents of the space.

    A document that was deleted, or that another expert has embedded, is none. Where statements cannot be embedded now,
    documents count alone.
    """
    read, said = await asyncio.gather(
        _of_documents(index, tenant, [each for each in history if each.document_id], space),
        _of_statements(statements, tenant, [each for each in history if each.statement], space),
    )
    return Known(_evidence(said), _evidence(read))


def _evidence(pairs: Sequence[tuple[Remembered, FloatVector]]) -> Evidence | None:
    if not pairs:
        return None
    interests = Interests(np.stack([vector for _, vector in pairs]), np.ones(len(pairs)))
    return Evidence(interests, tuple(replace(each, statement="") for each, _ in pairs))


async def _of_documents(
    index: Index, tenant: str, read: Sequence[Remembered], space: Space
) -> list[tuple[Remembered, FloatVector]]:
    if not read:
        return []
    ids = [each.document_id for each in read]
    vectors = await asyncio.to_thread(index.vectors, tenant, ids, space.key)
    return [(each, vectors[each.document_id]) for each in read if each.document_id in vectors]


async def _of_statements(
    statements: SaidVectors, tenant: str, said: Sequence[Remembered], space: Space
) -> list[tuple[Remembered, FloatVector]]:
    try:
        texts = [each.statement for each in said]
        vectors = await statements.all_of(tenant, texts, space.domain, space.key or "")
    except grpc.aio.AioRpcError as error:
        _log.warning("the user's statements do not count: they cannot be embedded", code=error.code().name)
        return []
    return [(each, vector) for each, vector in zip(said, vectors, strict=True) if vector is not None]
