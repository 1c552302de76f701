"""What is arranged, and what is refused, before the roles of a process start."""

import secrets
from collections.abc import Collection

from pydantic import SecretStr

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.certificates import CertificateFiles, Certificates
from attune.services.runtime.security.quotas import has_quotas
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.security.transport import require_safe_anonymity, server_credentials


def arranged(config: Config, roles: Collection[RoleName]) -> Config:
    """The settings, with what roles of one process need to call each other: a secret, and their certificate's name.

    Raises:
        ConfigError: what protects the servers is missing or wrong, or a role could not call those in other processes.
    """
    is_required = Authenticator.of(config).is_required
    require_safe_anonymity(config, has_credentials=is_required)
    server_credentials(config)
    if not is_required and has_quotas(config):
        raise ConfigError("quotas are of tenants, which credentials name: set ATTUNE_TOKENS_FILE or ATTUNE_JWKS_URL")
    if set(roles) == set(RoleName):
        return config.model_copy(update={**_secret(config, is_required=is_required), **_name(config)})
    calling = {RoleName.SEARCH, RoleName.SUGGESTION}.intersection(roles)
    if is_required and calling and not RoleTokens.of(config):
        raise ConfigError(
            f"the {min(calling)} role calls others, which want credentials: give all roles the same secret in "
            "ATTUNE_SERVICE_TOKEN"
        )
    return config


def _secret(config: Config, *, is_required: bool) -> dict[str, object]:
    if not is_required or RoleTokens.of(config):
        return {}
    return {"service_token": SecretStr(secrets.token_urlsafe(32))}


def _name(config: Config) -> dict[str, object]:
    """They call each other by the address that they listen on, which few certificates have."""
    names = Certificates.read(CertificateFiles.of_server(config)).names
    if config.tls_server_name or not names:
        return {}
    return {"tls_server_name": names[0].replace("*", "attune")}
