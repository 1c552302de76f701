"""Which entities the same users care about: statistics over many users, in which no single one can be seen.

For entities a and b, with n_x the users who have x among their heaviest and n_ab those who have both, the strength is
the cosine n_ab / sqrt(n_a n_b) (Linden et al., "Amazon.com Recommendations", 2003), shrunk by n_ab / (n_ab + 10): few
users prove little (Koren, "Factorization meets the neighborhood", KDD 2008, section 2.2). A pair of fewer than k users
is not in the result, nor is anything of it.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.folding import fold
from attune.knowledge_store.model import Companion, EntityState
from attune.knowledge_store.redirects import Redirects
from attune.knowledge_store.store import Store

K = 5
"""Of fewer users than that, nothing is told."""
SHRINKAGE = 10.0
MOST_OF_A_USER = 32
"""The heaviest of a user's entities count: what somebody has met in passing says little."""
MOST_COMPANIONS = 16
_ENTITIES_AT_ONCE = 512
_DIGITS = 4


def count_companions(store: Store, redirects: Redirects, k: int = K) -> dict[str, int]:
    """Counts anew, tenant by tenant, over the users who allow it, and lets the store keep what came of it.

    Returns of how many entities companions are kept, by tenant. Raises ValueError for a k below 2, which would tell of
    one user. Who was forgotten, and who allows it no more, is out of the statistics with the next count.
    """
    _require_many(k)
    kept: dict[str, int] = {}
    allowing = store.users_allowing(Purpose.STATISTICS)
    for tenant, users in groupby(allowing, key=lambda item: item[0].tenant):
        counted = (counted_of(fold(record.states.values(), redirects)) for _, record in users)
        companions = cooccurrences(counted, k)
        store.replace_companions(tenant, companions)
        kept[tenant] = len(companions)
    store.retain_companions(kept)
    return kept


def counted_of(states: Collection[EntityState]) -> list[str]:
    """The ids of a user's entities that count: the heaviest of those with a positive weight."""
    liked = sorted((state for state in states if state.weight > 0), key=lambda state: (-state.rank, state.entity_id))
    return [state.entity_id for state in liked[:MOST_OF_A_USER]]


def cooccurrences(users: Iterable[Sequence[str]], k: int = K) -> dict[str, tuple[Companion, ...]]:
    """Of each entity its companions, the strongest first, ties by id; entities without any are left out.

    `users` are the entities of one user each, none twice. Raises ValueError for a k below 2, which would tell of one.
    """
    _require_many(k)
    matrix, entity_ids = _matrix(users)
    totals = np.asarray(matrix.sum(axis=0), dtype=np.int64).ravel()
    by_entity = matrix.T.tocsr()
    found: dict[str, tuple[Companion, ...]] = {}
    for start in range(0, len(entity_ids), _ENTITIES_AT_ONCE):
        together = (by_entity[start : start + _ENTITIES_AT_ONCE] @ matrix).tocsr()
        for row in range(together.shape[0]):
            entity = start + row
            columns, counts = _row(together, row)
            kept = (counts >= k) & (columns != entity)
            companions = _strongest(entity, columns[kept], counts[kept], totals, entity_ids)
            if companions:
                found[entity_ids[entity]] = companions
    return found


def _require_many(k: int) -> None:
    if k < 2:
        raise ValueError(f"k is {k}: give 2 or more, so that no single user is told of")


def _matrix(users: Iterable[Sequence[str]]) -> tuple[csr_array, list[str]]:
    """Users by entities, 1 where the user has it; the entities in order of their ids."""
    numbers: dict[str, int] = {}
    columns = [np.array([numbers.setdefault(each, len(numbers)) for each in ids], np.int32) for ids in users]
    ordered = sorted(numbers)
    renumbered = np.empty(len(ordered), np.int32)
    renumbered[[numbers[each] for each in ordered]] = np.arange(len(ordered), dtype=np.int32)
    ends = np.cumsum([0, *map(len, columns)])
    indices = renumbered[np.concatenate(columns)] if columns else np.empty(0, np.int32)
    shape = (len(columns), len(ordered))
    return csr_array((np.ones(len(indices), np.int32), indices, ends), shape=shape), ordered


def _row(matrix: csr_array, row: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[part].astype(np.int64), matrix.data[part].astype(np.int64)


def _strongest(
    entity: int,
    columns: NDArray[np.int64],
    counts: NDArray[np.int64],
    totals: NDArray[np.int64],
    entity_ids: Sequence[str],
) -> tuple[Companion, ...]:
    cosine = counts / np.sqrt(totals[entity] * totals[columns])
    strengths = np.round(cosine * counts / (counts + SHRINKAGE), _DIGITS)
    best = np.lexsort((columns, -strengths))[:MOST_COMPANIONS]
    return tuple(Companion(entity_ids[columns[each]], int(counts[each]), float(strengths[each])) for each in best)
