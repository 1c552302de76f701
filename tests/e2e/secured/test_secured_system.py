"""A secured system. All of it is in one file, for one start of it: tests are shared out to processes by file.

Every RPC of every service, found by reflection, refuses whoever is not entitled to it. Roles that trust nobody but each
other do the main job, for callers that may do no more than they need. And nothing that was said is logged.
"""

import json
import re
import urllib.request
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from tests.e2e.conftest import record_visibly, wait_until
from tests.e2e.material import QUERY, documents, reading
from tests.e2e.refusals import refused
from tests.e2e.secured import words
from tests.e2e.secured.conftest import HASTY_TOKEN, ROLE_TOKEN, ROLES_IN_ORDER, STATIC_TOKEN, Secured, issue
from tests.e2e.secured.nobody import NOBODY
from tests.fakes.authority import Authority

from attune.services.cli.measure.reflected import Reflected
from attune.services.client import Tls
from attune.services.runtime.config import ConfigError
from attune.services.runtime.security.scopes import OPEN_SERVICES, SCOPES, Scope

pytestmark = pytest.mark.e2e

CHANGES_THE_SYSTEM = "/attune.search.v1.SearchService/CreateGeneration"


def reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return info.reason


def test_reflection_finds_exactly_the_methods_that_declare_a_scope(methods: list[Reflected]) -> None:
    assert sorted(each.path for each in methods) == sorted(SCOPES)


@pytest.mark.parametrize("who", NOBODY)
def test_no_rpc_answers_who_is_nobody(secured: Secured, methods: list[Reflected], who: str) -> None:
    for each in methods:
        error = each.error(authorization=NOBODY[who](secured))
        assert error is not None, each.path
        assert (error.code(), each.path) == (grpc.StatusCode.UNAUTHENTICATED, each.path)
        assert reason(error) in {"INVALID_CREDENTIAL", "EXPIRED_CREDENTIAL"}


def test_no_rpc_answers_who_has_all_scopes_but_its_own(secured: Secured, methods: list[Reflected]) -> None:
    for each in methods:
        others = [scope for scope in Scope if scope is not SCOPES[each.path]]
        error = each.error(authorization=f"Bearer {secured.token(*others)}")
        assert error is not None, each.path
        assert (error.code(), reason(error)) == (grpc.StatusCode.PERMISSION_DENIED, "MISSING_SCOPE"), each.path


def test_no_rpc_answers_for_another_tenant_than_the_credentials(secured: Secured, methods: list[Reflected]) -> None:
    for each in methods:
        error = each.error(authorization=f"Bearer {secured.token(*Scope)}", attune_tenant="globex")
        assert error is not None, each.path
        assert (error.code(), reason(error)) == (grpc.StatusCode.PERMISSION_DENIED, "OTHER_TENANT"), each.path


def test_the_one_scope_is_enough(secured: Secured, methods: list[Reflected]) -> None:
    refusals = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    for each in (each for each in methods if each.path != CHANGES_THE_SYSTEM):
        error = each.error(authorization=f"Bearer {secured.token(SCOPES[each.path])}")
        assert error is None or error.code() not in refusals, each.path


@pytest.mark.parametrize("role", ROLES_IN_ORDER)
def test_probes_and_reflection_are_open_and_nothing_else_is(secured: Secured, role: str) -> None:
    with secured.channel(role) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {each for each in services if not each.startswith("attune.")} == OPEN_SERVICES


def test_a_tenant_beyond_its_quota_is_told_when_to_come_back_and_no_other_is(secured: Secured) -> None:
    with secured.client(HASTY_TOKEN) as hasty, secured.client(STATIC_TOKEN) as other:
        for _ in range(3):
            hasty.suggest("anything")  # which asks knowledge, embedding and search: they do not count it again
        with pytest.raises(grpc.RpcError) as beyond:
            hasty.suggest("anything")
        other.suggest("anything")
    status = rpc_status.from_call(beyond.value)  # type: ignore[arg-type]
    retry = error_details_pb2.RetryInfo()
    assert status is not None
    assert status.details[1].Unpack(retry)
    assert 0 < retry.retry_delay.seconds <= 1000
    with secured.client(HASTY_TOKEN) as hasty:
        refusal = refused(lambda: hasty.suggest("anything"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")


def test_each_caller_does_its_part_with_one_scope(secured: Secured) -> None:
    with secured.client(secured.token("write")) as indexer:
        assert indexer.index(documents()).indexed == len(documents())
    with secured.client(secured.token("record")) as recorder:
        recorder.record(reading("together", "asyncio.gather", "asyncio.Queue", "asyncio.gather"))
    with secured.client(secured.token("read")) as reader:
        wait_until(lambda: reader.profile("together").events == 3)
        assert reader.search(QUERY, user="together").hits[0].document.title == "asyncio.gather"
        assert reader.suggest("", user="together").suggestions
        assert refused(lambda: reader.delete(["csv.reader"])).reason == "MISSING_SCOPE"
        assert refused(lambda: reader.forget("together")).reason == "MISSING_SCOPE"
    with secured.client(secured.token("privacy")) as officer:
        assert officer.forget("together").removed["events"] == 3


def test_a_token_of_a_file_and_one_of_an_issuer_are_one_tenant_and_another_sees_nothing(secured: Secured) -> None:
    with secured.client(STATIC_TOKEN) as ours:
        record_visibly(ours, reading("shared-user", "asyncio.gather"))
    with secured.client(secured.token("read")) as same, secured.client(secured.token("read", tenant="b")) as other:
        assert (same.profile("shared-user").events, other.profile("shared-user").events) == (1, 0)
        assert list(other.search(QUERY).hits) == []


def test_without_a_certificate_of_ours_nobody_gets_through(secured: Secured, tmp_path: Path) -> None:
    strangers = issue(Authority("strangers"), tmp_path / "strangers")
    for tls in (Tls(secured.tls.ca_file), Tls(secured.tls.ca_file, strangers.cert_file, strangers.key_file)):
        with secured.client(secured.token("read"), tls=tls, timeout_s=5) as client:
            assert refused(lambda client=client: client.search(QUERY)).code is grpc.StatusCode.UNAVAILABLE


def test_a_client_does_not_believe_a_stranger(secured: Secured, tmp_path: Path) -> None:
    strangers = issue(Authority("strangers"), tmp_path / "strangers")
    tls = Tls(strangers.ca_file, secured.tls.cert_file, secured.tls.key_file)
    with secured.client(secured.token("read"), tls=tls) as client:
        assert refused(lambda: client.search(QUERY)).code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ConfigError, match=r"nowhere\.crt"):
        secured.client("", tls=Tls(tmp_path / "nowhere.crt"))


def scraped(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        content: bytes = answer.read()
    return content.decode()


def test_no_word_of_it_is_in_any_log_or_metric(secured: Secured, methods: list[Reflected]) -> None:
    token = secured.token("read", "record", "write", "privacy")
    with secured.client(token) as client:
        words.say_everything(client)
    words.say_it_unreadably(methods, f"Bearer {token}")
    wait_until(lambda: '"method": "/attune.suggestion.v1.SuggestionService/RemoveSuggestion"' in secured.logs)
    published = "".join(map(scraped, secured.metrics))
    assert "attune_rpcs_total" in published
    for word in (*words.WORDS, token, *token.split("."), ROLE_TOKEN, STATIC_TOKEN, HASTY_TOKEN):
        told = [line for line in (secured.logs + published).splitlines() if word.lower() in line.lower()]
        assert told == []


def test_each_line_of_the_log_is_one_object_but_for_grpcs_own_on_connections(secured: Secured) -> None:
    own = [line for line in secured.logs.splitlines() if not re.match(r"[IWE]\d{4} .* Handshake failed", line)]
    assert {"rpc", "serving"} <= {json.loads(line)["event"] for line in own}


def test_no_text_is_in_the_store(secured: Secured) -> None:
    stored = b"".join(path.read_bytes() for path in Path(secured.directory).glob("knowledge.sqlite*"))
    assert stored
    assert not [word for word in (words.QUERY, words.PAGE, words.ANSWER) if word.encode() in stored.lower()]
