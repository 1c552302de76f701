"""Who asks. The tenant comes from the credential, never from the request body (invariant 7)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import grpc

from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.config import ConfigError
from attune.services.runtime.errors import ServiceError

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")  # as tenant_id of events; a slash would blur the log's keys


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    return _TENANT.fullmatch(name) is not None


class Credentials:
    """Bearer tokens and the tenants they stand for. Without a token file, everybody is the one default tenant."""

    def __init__(self, tenants: Mapping[str, str] | None) -> None:
        self._tenants = tenants

    @classmethod
    def load(cls, path: Path | None) -> "Credentials":
        """Read the token file.

        Raises:
            ConfigError: the file cannot be read, or is not a JSON object of strings.
        """
        if path is None:
            return cls(None)
        mend = f'ATTUNE_TOKENS_FILE ({path}) must be a JSON object {{"token": "tenant"}}'
        try:
            tenants = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{mend}; it cannot be read") from error
        if not isinstance(tenants, dict) or not all(isinstance(name, str) for name in tenants.values()):
            raise ConfigError(mend)
        for name in tenants.values():
            if not is_tenant(name):
                raise ConfigError(f"{mend}; tenant {name!r} must be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
        return cls(tenants)

    @property
    def tenants(self) -> frozenset[str] | None:
        """The tenants there are tokens for; None where no tokens are required."""
        return None if self._tenants is None else frozenset(self._tenants.values())

    def authorization_of(self, tenant: str) -> str:
        """An `authorization` header that stands for a tenant, for work that no caller asked for; empty where no tokens
        are required.

        Raises:
            LookupError: no token stands for it.
        """
        if self._tenants is None:
            return ""
        token = next((token for token, name in self._tenants.items() if name == tenant), None)
        if token is None:
            raise LookupError(f"no token of ATTUNE_TOKENS_FILE stands for the tenant {tenant}")
        return f"Bearer {token}"

    def tenant(self, authorization: str) -> str:
        """The tenant of an `authorization` header.

        Raises:
            ServiceError: UNAUTHENTICATED, where tokens are required and this is none of them.
        """
        if self._tenants is None:
            return DEFAULT_TENANT
        scheme, _, token = authorization.partition(" ")
        tenant = self._tenants.get(token) if scheme.lower() == "bearer" else None
        if tenant is None:
            raise ServiceError(
                grpc.StatusCode.UNAUTHENTICATED,
                "INVALID_CREDENTIAL",
                "authorization: send 'Bearer <token>' with a token that this server knows",
            )
        return tenant
