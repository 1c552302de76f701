"""Documents that are near a query and what the user was just told or asked, together."""

import asyncio
from collections.abc import Sequence

from attune.services.search.fusion import Fused
from attune.services.search.index.port import Candidate, FloatVector, Index, Scope
from attune.services.search.leaning.mixing import mixed


async def near(
    index: Index, scope: Scope, query: FloatVector, session: FloatVector | None, limit: int
) -> Sequence[Candidate]:
    """The documents nearest to the two together; none where nothing was said, or nothing asked."""
    if session is None or not query.any():
        return ()
    return await asyncio.to_thread(
        index.dense, scope.tenant, mixed(query, session), limit, scope.domains, scope.space, scope.within
    )


def found_beside(near_by: Sequence[Candidate], fused: Sequence[Fused]) -> list[Fused]:
    """The documents that only the session has found: they have no plain score."""
    known = {each.id for each in fused}
    return [Fused(each.id, 0.0, {}, {}) for each in near_by if each.id not in known]
