"""What a caller learns from an error: its code, its sentence and the details that a program can read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.runtime.config import Config, RoleName
from attune.suggestion.v1.suggestion_pb2_grpc import SuggestionServiceStub

STUBS: dict[RoleName, Callable[[grpc.Channel], Any]] = {
    RoleName.EMBEDDING: EmbeddingServiceStub,
    RoleName.KNOWLEDGE: KnowledgeServiceStub,
    RoleName.SEARCH: SearchServiceStub,
    RoleName.SUGGESTION: SuggestionServiceStub,
}


@dataclass(frozen=True)
class Refusal:
    """An error as it came over the wire."""

    code: grpc.StatusCode
    sentence: str
    reason: str
    """Of ErrorInfo; empty where the status has none."""
    fields: Sequence[str]
    """The paths that BadRequest names."""


def rpc(config: Config, role: RoleName, method: str) -> Callable[..., Any]:
    """A method of a role's service, with a deadline, all of its answer read."""
    made = getattr(STUBS[role](grpc.insecure_channel(config.address(role))), method)

    def call(request: Any, **options: Any) -> Any:
        answer = made(request, timeout=30, **options)
        return list(answer) if isinstance(answer, Iterator) else answer

    return call


def refused(call: Callable[[], object]) -> Refusal:
    """The error that a call must end with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value  # what the stubs raise is a grpc.Call too
    status = rpc_status.from_call(error)
    details = list(status.details) if status else []
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    return Refusal(error.code(), error.details(), info.reason, [each.field for each in bad_request.field_violations])
