"""A count of the queries of many users, tenant by tenant, into the files that suggestion looks them up in."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.known import visible
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.model import Counted, K
from attune.services.suggestion.queries.schema import LONGEST, QueriesError, file_of, tenant_of
from attune.services.suggestion.queries.tally import Tally
from attune.services.suggestion.queries.writing import write_queries
from attune.services.suggestion.screening import Screen

_EMBEDDED_AT_ONCE = 256
_REMEMBERED = 65_536
"""Texts that were judged last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is counted, and what is added to it."""

    k: int = K
    """At least 2."""
    since: datetime | None = None
    """What was asked before is left out."""
    link: Callable[[str], Sequence[str]] = lambda _text: ()
    """The entities that a text names."""
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None
    """Unit vectors [n, d] of texts; None: the files have no vectors."""
    model_id: str = ""
    """Of the model that computes them; the files name it."""


@dataclass(slots=True)
class Report:
    """What came of a count."""

    asked: int = 0
    """Queries that were counted; the same one by the same user counts once, but is in this number each time."""
    screened: int = 0
    """Texts that enough users asked and that must not be suggested."""
    queries: dict[str, int] = field(default_factory=dict)
    """How many are in the file, by tenant."""


def count_queries(
    asked: Iterable[Asked], directory: Path, screen: Screen, now: datetime, plan: Plan, *, only_of: str | None = None
) -> Report:
    """Count anew, and put a file for each tenant into the directory, in place of all that was counted before.

    The same queries give the same files, whatever order they come in and however often each comes. They are sorted on
    disk, in the directory, which needs some 100 bytes for each. Memory grows neither with the queries nor with the
    texts that are kept: of these, 65,536 are held at a time, so that most of them are judged once.

    Args:
        asked: read twice.
        directory: made where it is missing.
        screen: what it does not allow is not kept.
        now: when this is.
        plan: what is wanted.
        only_of: None: this is all that any tenant asked. Else what this one asked, perhaps with others: the files of
            tenants who asked nothing here stay.

    Raises:
        ValueError: k is below 2.
        QueriesError: another count is going on there, or the directory cannot be written.
    """
    if plan.k < 2:
        raise ValueError(f"k is {plan.k}: give 2 or more, so that no single user is told of")
    report = Report()
    told_of = set() if only_of is None else {only_of}
    with _alone_in(directory), Tally(directory / ".tally", plan.k) as tally:
        for each in _counting(asked, plan.since):
            tally.add(each)
            told_of.add(each.user.tenant)
            report.asked += 1
        tally.keep()
        report.screened = _collect(tally, _counting(asked, plan.since), screen)
        tally.rank()
        facts: dict[str, str | int] = {
            "k": plan.k,
            "counted_at": now.isoformat(timespec="seconds"),
            "vectors_by": plan.model_id,
        }
        for tenant in tally.tenants():
            counted = _completed(tally.queries(tenant), plan)
            file = file_of(directory, tenant)
            report.queries[tenant] = write_queries(file, counted, tally.following(tenant), {**facts, "tenant": tenant})
        gone = _tenants_in(directory) if only_of is None else told_of
        _remove(directory, gone - report.queries.keys())
    return report


def _counting(asked: Iterable[Asked], since: datetime | None) -> Iterator[Asked]:
    for each in asked:
        if (since is None or each.at >= since) and len(each.text) <= LONGEST and visible(each.text).strip():
            yield each


def _collect(tally: Tally, asked: Iterable[Asked], screen: Screen) -> int:
    """How many texts, as they would be kept, must not be suggested."""

    @lru_cache(_REMEMBERED)
    def settle(tenant: str, text: str) -> None:
        """Once for each text, or again where it was long ago: that changes nothing."""
        if screen.allows(text):
            tally.collect(tenant, text)
        else:
            tally.refuse(tenant, text)

    for each in asked:
        text = tally.wanted(each)
        if text is not None:
            settle(each.user.tenant, text)
    return tally.refused()


def _completed(queries: Iterable[tuple[str, int]], plan: Plan) -> Iterator[Counted]:
    rest = iter(queries)
    while batch := list(islice(rest, _EMBEDDED_AT_ONCE)):
        vectors = None if plan.embed is None else plan.embed([text for text, _ in batch])
        for place, (text, users) in enumerate(batch):
            named = tuple(dict.fromkeys(plan.link(text)))
            yield Counted(text, users, named, None if vectors is None else vectors[place])


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise QueriesError(
            f"ATTUNE_QUERIES_DIR: {directory} cannot be written ({error.strerror}); name a directory that can"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise QueriesError(f"{directory}: another count is going on there; wait for its end") from error
    finally:
        os.close(descriptor)


def _tenants_in(directory: Path) -> set[str]:
    return {tenant_of(file) for file in directory.glob("of-*.sqlite")}


def _remove(directory: Path, gone: Iterable[str]) -> None:
    """The files of tenants of whom nothing is to be told any more, and what a killed count left behind."""
    for each in [*(file_of(directory, tenant) for tenant in gone), *directory.glob(".of-*.draft")]:
        each.unlink(missing_ok=True)
