"""Scopes: each RPC of each service has one, and one that has none is nobody's."""

import grpc
import pytest

from attune.embedding.v1 import embedding_pb2
from attune.knowledge.v1 import knowledge_pb2
from attune.search.v1 import search_pb2
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.identity import ANYBODY, Identity
from attune.services.runtime.security.scopes import EVERY_SCOPE, SCOPES, Scope, is_open
from attune.suggestion.v1 import suggestion_pb2

SEARCH = "/attune.search.v1.SearchService/Search"


def every_method() -> set[str]:
    return {
        f"/{service.full_name}/{method.name}"
        for contract in (embedding_pb2, knowledge_pb2, search_pb2, suggestion_pb2)
        for service in contract.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_declares_its_scope_and_nothing_else_does() -> None:
    assert set(SCOPES) == every_method()


def test_every_scope_is_needed_somewhere() -> None:
    assert set(SCOPES.values()) == EVERY_SCOPE


def test_nobody_may_call_what_declares_no_scope() -> None:
    with pytest.raises(ServiceError, match="nobody may call it") as refused:
        ANYBODY.require_scope("/attune.search.v1.SearchService/Invented")
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NO_SCOPE_DECLARED")


@pytest.mark.parametrize("method", SCOPES)
def test_the_scope_of_a_method_is_enough_and_all_others_are_not(method: str) -> None:
    needed = SCOPES[method]
    Identity("acme", frozenset({needed})).require_scope(method)
    with pytest.raises(ServiceError, match=f"the scope {needed}") as refused:
        Identity("acme", EVERY_SCOPE - {needed}).require_scope(method)
    assert refused.value.metadata == {"scope": needed}


def test_a_tenant_may_be_named_if_it_is_ones_own() -> None:
    identity = Identity("acme", frozenset({Scope.READ}))
    identity.require_tenant("")
    identity.require_tenant("acme")
    for other in ("globex", "Acme", "acme ", "*"):
        with pytest.raises(ServiceError, match="attune-tenant") as refused:
            identity.require_tenant(other)
        assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("method", ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"])
def test_probes_need_no_credential(method: str) -> None:
    assert is_open(method)


@pytest.mark.parametrize("method", [SEARCH, "/other.Service/Call", "/grpc.health.v1.Healthy/Check", "", "/"])
def test_everything_that_is_not_declared_open_is_closed(method: str) -> None:
    assert not is_open(method)
