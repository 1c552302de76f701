"""A channel whose certificates are replaced: which of the channels before are closed, and when."""

from typing import Any, cast

import grpc
import pytest

from attune.services.runtime.security import renewed_channel as module
from attune.services.runtime.security.renewed_channel import RenewedChannel


class Renewed:
    """Files that have changed whenever they are looked at."""

    made = "credentials"

    def renew(self) -> str:
        return self.made


class Opened:
    """A channel that remembers how it was closed."""

    def __init__(self) -> None:
        self.closed: list[float | None] = []

    async def close(self, grace: float | None = None) -> None:
        self.closed.append(grace)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 11
        return self.now


def renewed() -> tuple[RenewedChannel, list[Opened]]:
    """A channel that is another one each time it is asked for, and all that were opened."""
    opened: list[Opened] = []

    def open_channel(_credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
        opened.append(Opened())
        return cast("grpc.aio.Channel", opened[-1])

    files: Any = Renewed()
    return RenewedChannel(files, open_channel, clock=Clock()), opened


async def test_those_before_are_closed_with_it_at_once() -> None:
    channel, opened = renewed()
    for _ in range(3):
        channel.current()
    assert [each.closed for each in opened] == [[], [], [], []]
    await channel.close(5)
    assert [each.closed for each in opened] == [[None], [None], [None], [5]]


async def test_one_before_is_closed_after_its_grace_and_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0)
    channel, opened = renewed()
    channel.current()
    (task,) = channel._before.values()
    await task
    assert [each.closed for each in opened] == [[None], []]
    await channel.close()
    assert [each.closed for each in opened] == [[None], [None]]
