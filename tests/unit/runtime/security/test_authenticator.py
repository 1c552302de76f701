"""Who asks: callers by their credential, roles by the secret that they share."""

import json
from pathlib import Path

import grpc
import pytest

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.authenticator import Authenticator, known_tenants
from attune.services.runtime.security.identity import ANYBODY, Identity
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.security.scopes import EVERY_SCOPE
from attune.services.runtime.security.starting import arranged
from attune.services.runtime.security.static_tokens import ORDINARY_SCOPES

ACME = Identity("acme", ORDINARY_SCOPES)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"s3cret": "acme"}))
    return Config(tokens_file=path, service_token="role-secret, role-secret-of-before")  # type: ignore[arg-type]


async def refusal(authenticator: Authenticator, authorization: str, tenant: str = "") -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        await authenticator.identify(authorization, tenant)
    return refused.value


async def test_without_credentials_everybody_is_the_default_tenant_and_no_other() -> None:
    anybody = Authenticator.of(Config())
    assert not anybody.is_required
    assert await anybody.identify("") == ANYBODY
    assert await anybody.identify("Bearer whatever", "default") == ANYBODY
    assert (await refusal(anybody, "", "acme")).reason == "OTHER_TENANT"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_caller_is_of_the_tenant_of_its_token(config: Config, scheme: str) -> None:
    assert await Authenticator.of(config).identify(f"{scheme} s3cret") == ACME
    assert await Authenticator.of(config).identify(f"{scheme} s3cret", "acme") == ACME


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic s3cret", "s3cret", "Bearer  s3cret", "Bearer s3cret "]
)
async def test_anything_else_is_refused_without_being_repeated(config: Config, header: str) -> None:
    error = await refusal(Authenticator.of(config), header)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIAL")
    assert error.message == "authorization: send 'Bearer <token>' with a token that this server knows"


async def test_a_huge_token_is_refused_before_anybody_reads_it(config: Config) -> None:
    error = await refusal(Authenticator.of(config), "Bearer " + "x" * 8193)
    assert error.code is grpc.StatusCode.UNAUTHENTICATED
    assert "8192" in error.message


async def test_a_caller_cannot_name_another_tenant(config: Config) -> None:
    error = await refusal(Authenticator.of(config), "Bearer s3cret", "globex")
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "OTHER_TENANT")


@pytest.mark.parametrize("token", ["role-secret", "role-secret-of-before"])
async def test_a_role_is_believed_for_which_tenant_it_works(config: Config, token: str) -> None:
    authenticator = Authenticator.of(config)
    assert await authenticator.identify(f"Bearer {token}", "globex") == Identity("globex", EVERY_SCOPE, is_role=True)
    assert (await authenticator.identify(f"Bearer {token}")).tenant == "default"
    assert (await refusal(authenticator, f"Bearer {token}", "a/b")).code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_secret_of_roles_alone_keeps_all_others_out() -> None:
    inner = Authenticator.of(Config(service_token="role-secret"))  # type: ignore[arg-type]
    assert (await refusal(inner, "")).code is grpc.StatusCode.UNAUTHENTICATED
    assert (await inner.identify("Bearer role-secret", "acme")).is_role


def test_the_first_of_the_roles_tokens_is_sent(config: Config) -> None:
    sent = (("authorization", "Bearer role-secret"), ("attune-tenant", "acme"))
    assert RoleTokens.of(config).metadata("acme") == sent
    assert RoleTokens().metadata("acme") == ()


def test_roles_of_one_process_make_a_secret_up(config: Config) -> None:
    alone = config.model_copy(update={"service_token": Config().service_token})
    made = [arranged(alone, list(RoleName)).service_token.get_secret_value() for _ in range(2)]
    assert made[0] != made[1]
    assert min(map(len, made)) >= 40
    assert arranged(config, list(RoleName)) == config
    assert arranged(Config(), list(RoleName)).service_token.get_secret_value() == ""


@pytest.mark.parametrize("role", [RoleName.SEARCH, RoleName.SUGGESTION])
def test_a_role_that_could_not_call_others_does_not_start(config: Config, role: RoleName) -> None:
    alone = config.model_copy(update={"service_token": Config().service_token})
    with pytest.raises(ConfigError, match="ATTUNE_SERVICE_TOKEN"):
        arranged(alone, [role])
    assert arranged(alone, [RoleName.EMBEDDING]) is alone


def test_the_tenants_are_those_of_the_token_file(config: Config) -> None:
    assert known_tenants(config) == {"acme"}
    assert known_tenants(Config()) is None
