"""A caller that has nothing of attune but the address: it lists, describes and calls through reflection alone."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from attune.services.cli.system import System
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e

NOW = "2026-01-31T12:00:00Z"
CALLS: dict[str, tuple[RoleName, dict[str, Any]]] = {
    "attune.embedding.v1.EmbeddingService.Embed": (RoleName.EMBEDDING, {"inputs": [{"text": "hello"}]}),
    "attune.embedding.v1.EmbeddingService.EmbedStream": (RoleName.EMBEDDING, {"request": {"inputs": [{"text": "x"}]}}),
    "attune.embedding.v1.EmbeddingService.RouteDomains": (RoleName.EMBEDDING, {"texts": ["hello"]}),
    "attune.embedding.v1.EmbeddingService.ListDomains": (RoleName.EMBEDDING, {}),
    "attune.embedding.v1.EmbeddingService.ReloadDomains": (RoleName.EMBEDDING, {}),
    "attune.embedding.v1.EmbeddingService.ScorePairs": (RoleName.EMBEDDING, {"query": "hello", "texts": ["hello"]}),
    "attune.embedding.v1.EmbeddingService.GetModelInfo": (RoleName.EMBEDDING, {}),
    "attune.knowledge.v1.KnowledgeService.LinkEntities": (RoleName.KNOWLEDGE, {"inputs": [{"text": "asyncio"}]}),
    "attune.knowledge.v1.KnowledgeService.LinkObjects": (
        RoleName.KNOWLEDGE,
        {"objects": [{"object_id": "o", "title": "asyncio"}]},
    ),
    "attune.knowledge.v1.KnowledgeService.UnlinkObjects": (RoleName.KNOWLEDGE, {"object_ids": ["o"]}),
    "attune.knowledge.v1.KnowledgeService.RecordInteractions": (
        RoleName.KNOWLEDGE,
        {
            "event": {
                "event_id": "f1",
                "user_id": "f",
                "type": "EVENT_TYPE_QUERY",
                "user_query": "q",
                "occurred_at": NOW,
            }
        },
    ),
    "attune.knowledge.v1.KnowledgeService.RetrieveEntities": (RoleName.KNOWLEDGE, {"user_id": "f", "query": "asyncio"}),
    "attune.knowledge.v1.KnowledgeService.ListUserEntities": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.GetUserProfile": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.ExportUser": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.ForgetUser": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.ForgetEntity": (RoleName.KNOWLEDGE, {"user_id": "f", "entity_id": "asyncio"}),
    "attune.knowledge.v1.KnowledgeService.GetEntity": (RoleName.KNOWLEDGE, {"entity_id": "asyncio"}),
    "attune.knowledge.v1.KnowledgeService.SuppressSuggestions": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.GetConsents": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.knowledge.v1.KnowledgeService.SetConsents": (
        RoleName.KNOWLEDGE,
        {"user_id": "f", "choices": [{"purpose": "PURPOSE_SUMMARY", "granted": True}]},
    ),
    "attune.knowledge.v1.KnowledgeService.GetSuppressedSuggestions": (RoleName.KNOWLEDGE, {"user_id": "f"}),
    "attune.suggestion.v1.SuggestionService.SuggestQueries": (RoleName.SUGGESTION, {"query": "queue"}),
    "attune.suggestion.v1.SuggestionService.StreamSuggestQueries": (
        RoleName.SUGGESTION,
        {"request": {"query": "queue"}},
    ),
    "attune.suggestion.v1.SuggestionService.CompleteQuery": (RoleName.SUGGESTION, {"prefix": "asy"}),
    "attune.suggestion.v1.SuggestionService.RemoveSuggestion": (RoleName.SUGGESTION, {"user_id": "f", "text": "x"}),
    "attune.search.v1.SearchService.IndexDocuments": (
        RoleName.SEARCH,
        {"document": {"document_id": "foreign", "title": "foreign", "domain": "foreign"}},
    ),
    "attune.search.v1.SearchService.CreateGeneration": (RoleName.SEARCH, {}),
    "attune.search.v1.SearchService.ListGenerations": (RoleName.SEARCH, {}),
    "attune.search.v1.SearchService.ActivateGeneration": (RoleName.SEARCH, {"name": "1"}),
    "attune.search.v1.SearchService.DeleteGeneration": (RoleName.SEARCH, {"name": "2"}),
    "attune.search.v1.SearchService.GetDocument": (RoleName.SEARCH, {"document_id": "json.loads"}),
    "attune.search.v1.SearchService.Search": (RoleName.SEARCH, {"query": "queue"}),
    "attune.search.v1.SearchService.SubmitFeedback": (
        RoleName.SEARCH,
        {"request_id": "r", "user_id": "f", "document_id": "json.loads", "verdict": "VERDICT_RELEVANT"},
    ),
    "attune.search.v1.SearchService.DeleteDocuments": (RoleName.SEARCH, {"document_ids": ["foreign"]}),
}
NOT_CONFIGURED = {"attune.embedding.v1.EmbeddingService.ScorePairs"}
"""What needs something that this system does not have."""


class ForeignClient:
    """Knows gRPC and reflection, and nothing else."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)

    def services(self) -> set[str]:
        return set(self.database.get_services())

    def methods(self, service: str) -> list[MethodDescriptor]:
        return list(self.pool.FindServiceByName(service).methods)

    def call(self, method: MethodDescriptor, fields: dict[str, Any]) -> list[dict[str, Any]]:
        request = ParseDict(fields, GetMessageClass(method.input_type)(), descriptor_pool=self.pool)
        path = f"/{method.containing_service.full_name}/{method.name}"
        codec = (lambda message: message.SerializeToString(), GetMessageClass(method.output_type).FromString)
        if method.client_streaming:
            make = self.channel.stream_stream if method.server_streaming else self.channel.stream_unary
            answer = make(path, *codec)(iter([request]))
        else:
            make = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
            answer = make(path, *codec)(request)
        messages = list(answer) if method.server_streaming else [answer]
        return [MessageToDict(each, preserving_proto_field_name=True, descriptor_pool=self.pool) for each in messages]


def test_every_role_lists_health_and_its_own_services(system: System) -> None:
    for server in system.servers:
        services = ForeignClient(server.address).services()
        assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", *server.role.services} <= services


def test_every_rpc_of_every_service_is_called_below(system: System) -> None:
    described = {
        f"{service}.{method.name}"
        for server in system.servers
        for service in server.role.services
        for method in ForeignClient(server.address).methods(service)
    }
    assert described == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_an_rpc_answers_a_caller_that_brings_no_deadline(system: System, name: str) -> None:
    role, fields = CALLS[name]
    foreign = ForeignClient(system.config.address(role))
    service, _, method_name = name.rpartition(".")
    method = next(each for each in foreign.methods(service) if each.name == method_name)
    if name in NOT_CONFIGURED:
        with pytest.raises(grpc.RpcError) as raised:
            foreign.call(method, fields)
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    else:
        assert foreign.call(method, fields)


def test_health_is_told_per_service(system: System) -> None:
    for server in system.servers:
        stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(server.address))
        for service in ("", *server.role.services):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
