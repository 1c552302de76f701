"""Whole searches through the service, with embedding and knowledge on this machine: in one process, as `attune up` runs
them, and each in a process of its own, as a cluster does.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection

import numpy as np

from attune.search.v1.search_pb2 import SearchResponse
from attune.services.cli.background import running_system
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.search_speed.people import FULL
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.settling import settle

TOGETHER = 8
WHOLE = "whole search"
PERSONAL = "personalize"
_ROLES = (RoleName.EMBEDDING, RoleName.KNOWLEDGE, RoleName.SEARCH)
_Layout = tuple[tuple[RoleName, ...], ...]
"""The roles of each process, those that others ask first."""
TOGETHER_AND_APART: tuple[_Layout, ...] = ((_ROLES,), tuple((role,) for role in _ROLES))
_WARM_UP = 40
_STAGES = ("embed", "retrieve", PERSONAL)


@dataclass
class Seen:
    """Milliseconds of each stage of each search, and of the whole of it as the caller sees it."""

    stages: dict[str, list[float]] = field(default_factory=dict)

    def take(self, response: SearchResponse, whole_ms: float) -> None:
        told = response.timings
        found = {name: float(getattr(told, f"{name}_ms")) for name in _STAGES}
        found["page and answer"] = told.total_ms - sum(found.values())
        found["gRPC"] = whole_ms - told.total_ms
        found[WHOLE] = whole_ms
        for name, value in found.items():
            self.stages.setdefault(name, []).append(value)

    def rows(self, documents: int, processes: int, user: str, together: int, seconds: float) -> list[Row]:
        whole = sum(self.stages[WHOLE])
        return [
            {
                "documents": documents,
                "processes": processes,
                "user": user or "nobody",
                "together": together,
                "stage": name,
                **dict(
                    zip(("p50_ms", "p95_ms", "p99_ms"), map(float, np.percentile(times, (50, 95, 99))), strict=True)
                ),
                "share": sum(times) / whole,
                "searches_per_s": len(times) / seconds,
            }
            for name, times in self.stages.items()
        ]


def whole_searches(config: Config, documents: int, queries: Sequence[str]) -> list[Row]:
    """Rows of searches of nobody and of a user with a full record, one at a time and eight together, by the roles in
    one process and in one each. No query comes twice: the service remembers vectors of texts.
    """
    rows: list[Row] = []
    fresh = iter(queries)
    each = len(queries) // len(TOGETHER_AND_APART)
    for layout in TOGETHER_AND_APART:
        rows += _of_layout(config, documents, list(islice(fresh, each)), layout)
    return rows


def _of_layout(config: Config, documents: int, queries: Sequence[str], layout: _Layout) -> list[Row]:
    rows: list[Row] = []
    fresh = iter(queries)
    each = (len(queries) - _WARM_UP) // 4
    with ExitStack() as stack:
        addresses = stack.enter_context(_served(config, layout))
        clients = [stack.enter_context(Client(addresses)) for _ in range(TOGETHER)]
        _searched(clients, fresh, _WARM_UP, FULL)
        for user in ("", FULL):
            for together in (1, TOGETHER):
                started = time.perf_counter()
                seen = _searched(clients[:together], fresh, each, user)
                rows += seen.rows(documents, len(layout), user, together, time.perf_counter() - started)
    return rows


def _searched(clients: Sequence[Client], queries: Iterator[str], count: int, user: str) -> Seen:
    """Each client asks as soon as it is answered."""
    seen, wanted = Seen(), iter([next(queries) for _ in range(count)])

    def ask(client: Client) -> None:
        for query in wanted:
            started = time.perf_counter()
            response = client.search(query, user=user)
            seen.take(response, 1000 * (time.perf_counter() - started))

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(ask, clients))
    return seen


@contextmanager
def _served(config: Config, layout: _Layout) -> Iterator[Addresses]:
    """The services, in processes of their own: whoever asks does not hold their interpreter lock."""
    with ExitStack() as stack:
        for roles in layout:
            config = stack.enter_context(_process_of(roles, config))
        yield Addresses.of(config)


@contextmanager
def _process_of(roles: Sequence[RoleName], config: Config) -> Iterator[Config]:
    """The settings, with where these roles are found."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(roles, config, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
        ours.send("enough")
    except EOFError as error:
        raise ConfigError("the services did not start: see the lines before") from error
    finally:
        ours.close()
        process.join()


def _serve(roles: Sequence[RoleName], config: Config, connection: Connection) -> None:
    configure_logs("error")
    with running_system(config, system_clock, roles=roles) as system:
        settle()
        connection.send(system.config)
        _until_hung_up(connection.recv)


def _until_hung_up(receive: Callable[[], object]) -> None:
    try:
        receive()
    except EOFError:
        return
