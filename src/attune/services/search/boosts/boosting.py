"""Boosts applied to the candidates of a search, before anything personal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from attune.services.search.boosts.declared import Boost
from attune.services.search.boosts.values import UnreadableError
from attune.services.search.fusion import Fused, Part, in_plain_order
from attune.services.search.index.port import Document


def boosted(
    boosts: Sequence[Boost], fused: list[Fused], documents: Mapping[str, Document], now: datetime
) -> tuple[list[Fused], Sequence[str]]:
    """The candidates with what the boosts give their documents, in their order by that; and what the caller should know
    of it, a sentence each. Without boosts, nothing changes.
    """
    if not boosts or not fused:
        return fused, ()
    read: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    found = []
    for each in fused:
        parts = []
        for boost in boosts:
            try:
                value = boost.formula.value(documents[each.id], now)
            except UnreadableError:
                unreadable[boost.name] += 1
                continue
            if value is not None:
                read[boost.name] += 1
                parts.append(Part(f"boost:{boost.name}", boost.formula.contribution(value), value))
        found.append(replace(each, added=(*each.added, *parts)))
    return in_plain_order(found), _notices(boosts, read, unreadable, len(fused))


def _notices(boosts: Sequence[Boost], read: Counter[str], unreadable: Counter[str], total: int) -> list[str]:
    found = []
    for each in boosts:
        formula = each.formula
        if bad := unreadable[each.name]:
            mend = f"index them again with {formula.needs}"
            which = f"{bad} of {total} documents, whose {formula.field!r} cannot be read"
            found.append(f"boosts: {each.name!r} left out {which}; {mend}")
        elif each.is_asked_for and not read[each.name]:
            mend = f"index documents with {formula.needs} in it, or leave the boost out"
            why = f"none of the {total} documents found has {formula.field!r}"
            found.append(f"boosts: {each.name!r} changed nothing, as {why}; {mend}")
    return found
