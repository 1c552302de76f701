"""Requests sent, many at a time, and what became of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from attune.services.cli.measure.fuzz.bodies import body
from attune.services.cli.measure.fuzz.methods import Method
from attune.services.runtime.config import RoleName

MISTAKES = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNAVAILABLE,
    }
)
"""No request, however wrong, is to be answered so by services that are all up."""
OK = "OK"
LATE = grpc.StatusCode.DEADLINE_EXCEEDED.name
"""No refusal, and nobody's mistake for sure: the answer did not come in time, by whatever kept it."""
FAILED = "failed"
_STATUSES = frozenset(code.name for code in grpc.StatusCode if code not in MISTAKES)
_TIMEOUT_S = 30.0
_MOST_ANSWERS = 200
"""Of a stream: some go on for as long as the caller listens."""
_EXAMPLES = 20
_TOGETHER = 1000
"""Requests that are made ready at a time."""


@dataclass(slots=True)
class Outcomes:
    """How often each method was answered how, and examples of what must not be."""

    codes: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, method: Method, outcome: str, bodies: Sequence[bytes]) -> None:
        """Count an answer: the name of a status, or what is wrong with it."""
        is_status = outcome in _STATUSES
        self.codes.setdefault(method.path, Counter())[outcome if is_status else FAILED] += 1
        if not is_status and len(self.examples) < _EXAMPLES:
            self.examples.append(
                f"{method.path}: {outcome}; requests in hex: {', '.join(each.hex() for each in bodies)}"
            )

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(counts.total() for counts in self.codes.values())

    @property
    def late(self) -> int:
        """How many of them had no answer in time."""
        return sum(counts[LATE] for counts in self.codes.values())

    @property
    def failures(self) -> int:
        """How many of them were answered as none may be."""
        return sum(counts[FAILED] for counts in self.codes.values())


def call_all(
    addresses: Mapping[RoleName, str],
    chosen: Sequence[Method],
    number: int,
    seed: int,
    *,
    at_once: int,
    done: Callable[[], None],
) -> Outcomes:
    """So many calls of methods in turn, some at a time.

    In threads: where a server ends a call early, gRPC's asyncio client may tell an error of its own in place of the
    server's.
    """
    outcomes = Outcomes()
    with ExitStack() as opened:
        threads = opened.enter_context(ThreadPoolExecutor(at_once))
        channels = {role: opened.enter_context(grpc.insecure_channel(address)) for role, address in addresses.items()}

        def call(place: int) -> tuple[Method, str, Sequence[bytes]]:
            method, random = chosen[place % len(chosen)], Random(f"{seed}-{place}")  # noqa: S311 - no secret
            bodies = [body(random, method.request) for _ in range(random.randint(1, 3) if method.takes_stream else 1)]
            return method, _outcome(channels[method.role], method, bodies), bodies

        for start in range(0, number, _TOGETHER):
            for found in threads.map(call, range(start, min(number, start + _TOGETHER))):
                outcomes.add(*found)
                done()
    return outcomes


def _outcome(channel: grpc.Channel, method: Method, bodies: Sequence[bytes]) -> str:
    """The name of a status that is right in its place; else what is wrong."""
    try:
        for answer in _answers(channel, method, bodies):
            GetMessageClass(method.response).FromString(answer)
    except grpc.RpcError as error:
        return _told(cast("grpc.Call", error))  # it is both, which its type does not say
    except DecodeError:
        return "an answer that is none of its type"
    return OK


def _told(call: grpc.Call) -> str:
    name = str(call.code().name)
    return f"{name}: {call.details()}" if call.code() in MISTAKES else name


def _answers(channel: Any, method: Method, bodies: Sequence[bytes]) -> Iterator[bytes]:
    if method.takes_stream and method.gives_stream:
        yield from _first(channel.stream_stream(method.path)(iter(bodies), timeout=_TIMEOUT_S))
    elif method.gives_stream:
        yield from _first(channel.unary_stream(method.path)(bodies[0], timeout=_TIMEOUT_S))
    elif method.takes_stream:
        yield channel.stream_unary(method.path)(iter(bodies), timeout=_TIMEOUT_S)
    else:
        yield channel.unary_unary(method.path)(bodies[0], timeout=_TIMEOUT_S)


def _first(call: Any) -> Iterator[bytes]:
    """Some streams go on for as long as the caller listens."""
    yield from islice(call, _MOST_ANSWERS)
    call.cancel()
