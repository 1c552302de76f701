"""Who sees what while two rankings are compared: by hashes, so that a user or a session is always on the same side."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from attune.services.search.ranking.token import Method

_WHOLE = 2.0**64


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rankings by name: interleaved in a share of the sessions, or the second one for a share of the users."""

    first: str
    second: str
    method: Method
    share: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """The rankings of one search: one, or two that are interleaved."""

    names: tuple[str, ...]
    method: Method = Method.NOTHING
    compared: tuple[str, str] | None = None

    @classmethod
    def named(cls, names: Sequence[str]) -> "Assignment":
        """That of a caller who names one ranking, or two that are to be interleaved."""
        if len(names) == 1:
            return cls((names[0],))
        first, second = names
        return cls((first, second), Method.INTERLEAVING, (first, second))


def assign(comparison: Comparison | None, default: str, tenant: str, user: str, session: str) -> Assignment:
    """What a search of this user gets. Nobody in particular takes no part: without users nothing can be counted."""
    if comparison is None or not user:
        return Assignment((default,))
    pair = (comparison.first, comparison.second)
    if comparison.method is Method.USERS:
        is_second = _draw(comparison, tenant, user) < comparison.share
        return Assignment((pair[is_second],), Method.USERS, pair)
    if _draw(comparison, tenant, user, session) < comparison.share:
        return Assignment(pair, Method.INTERLEAVING, pair)
    return Assignment((default,))


def _draw(comparison: Comparison, *who: str) -> float:
    """Between 0 and 1, and independent of what the same user draws in other comparisons."""
    parts = [comparison.first, comparison.second, comparison.method.name, *who]
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / _WHOLE
