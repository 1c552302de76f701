"""A channel whose certificates are replaced while it is in use: gRPC's own keeps those that it was made with."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

import grpc

from attune.services.runtime.security.certificates import RenewedFiles

_LOOK_S = 10.0
"""How often the files are looked at."""
_GRACE_S = 600.0
"""How long calls on the channel of before may take to end: as long as streams may."""

Open = Callable[[grpc.ChannelCredentials], grpc.aio.Channel]


class RenewedChannel(grpc.aio.Channel):
    """Opens another channel when the files have changed. Calls in progress end on the one that they began on."""

    def __init__(
        self,
        files: RenewedFiles[grpc.ChannelCredentials],
        open_channel: Open,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._open = open_channel
        self._clock = clock
        self._looked_at = clock()
        self._channel = open_channel(files.made)
        self._before: dict[grpc.aio.Channel, asyncio.Task[None]] = {}

    def current(self) -> grpc.aio.Channel:
        """The channel with the certificates of now."""
        if self._clock() - self._looked_at >= _LOOK_S:
            self._looked_at = self._clock()
            if credentials := self._files.renew():
                self._retire(self._channel)
                self._channel = self._open(credentials)
        return self._channel

    def _retire(self, channel: grpc.aio.Channel) -> None:
        self._before[channel] = asyncio.get_running_loop().create_task(self._close_later(channel))

    async def _close_later(self, channel: grpc.aio.Channel) -> None:
        """Not by gRPC's own grace: a channel that is waiting so cannot be closed any sooner."""
        await asyncio.sleep(_GRACE_S)
        del self._before[channel]
        await channel.close()

    async def __aenter__(self) -> Self:
        """Nothing to do: channels open when needed."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close it."""
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel, and at once what is left of those before."""
        before, self._before = self._before, {}
        for channel, task in before.items():
            task.cancel()
            await channel.close()
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Of the channel of now."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the channel of now."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the channel of now."""
        await self._channel.channel_ready()

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """A method, called on the channel of the time of each call."""
        return self._method("unary_unary", arguments, options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """The same."""
        return self._method("unary_stream", arguments, options)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """The same."""
        return self._method("stream_unary", arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """The same."""
        return self._method("stream_stream", arguments, options)

    def _method(self, kind: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
        made_on: grpc.aio.Channel | None = None
        made: Any = None

        def call(*request: Any, **call_options: Any) -> Any:
            nonlocal made_on, made
            if (channel := self.current()) is not made_on:
                made_on, made = channel, getattr(channel, kind)(*arguments, **options)
            return made(*request, **call_options)

        return call
