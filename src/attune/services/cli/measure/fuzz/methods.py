"""All RPCs there are, by the descriptors of the contracts."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FileDescriptor

from attune.embedding.v1 import embedding_pb2
from attune.knowledge.v1 import knowledge_pb2
from attune.search.v1 import search_pb2
from attune.services.runtime.config import RoleName
from attune.suggestion.v1 import suggestion_pb2

_FILES = {
    RoleName.EMBEDDING: embedding_pb2.DESCRIPTOR,
    RoleName.KNOWLEDGE: knowledge_pb2.DESCRIPTOR,
    RoleName.SEARCH: search_pb2.DESCRIPTOR,
    RoleName.SUGGESTION: suggestion_pb2.DESCRIPTOR,
}


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC."""

    role: RoleName
    path: str
    """Such as /attune.search.v1.SearchService/Search."""
    request: Descriptor
    response: Descriptor
    takes_stream: bool
    gives_stream: bool


def methods() -> list[Method]:
    """Of all services, in the order of the contracts."""
    return [method for role, file in _FILES.items() for method in _of_file(role, file)]


def _of_file(role: RoleName, file: FileDescriptor) -> Iterator[Method]:
    for service in file.services_by_name.values():
        for each in service.methods:
            path = f"/{service.full_name}/{each.name}"
            yield Method(
                role, path, each.input_type, each.output_type, bool(each.client_streaming), bool(each.server_streaming)
            )
