"""The RPCs of a server, as its reflection tells them, called by their names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from attune.services.runtime.security.scopes import OPEN_SERVICES

_TIMEOUT_S = 30


@dataclass(frozen=True)
class Reflected:
    """A method, and the channel to where it is."""

    channel: grpc.Channel
    method: MethodDescriptor

    @property
    def path(self) -> str:
        """As it is called."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    def error(self, message: bytes = b"", **metadata: str) -> Any:
        """Send one message and read all that comes: what the call failed with; None where it did not."""
        asked = "stream" if self.method.client_streaming else "unary"
        answered = "stream" if self.method.server_streaming else "unary"
        made = getattr(self.channel, f"{asked}_{answered}")(self.path)
        request = iter([message]) if self.method.client_streaming else message
        given = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        try:
            answer = made(request, timeout=_TIMEOUT_S, metadata=given)
            if self.method.server_streaming:
                list(answer)
        except grpc.RpcError as error:
            return error
        return None


def reflected_methods(channel: grpc.Channel) -> Iterator[Reflected]:
    """Every method of every service there, but of those that are declared open."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    for service in set(database.get_services()) - OPEN_SERVICES:
        yield from (Reflected(channel, method) for method in pool.FindServiceByName(service).methods)
