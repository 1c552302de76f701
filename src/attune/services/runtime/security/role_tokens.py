"""The secret by which attune's roles know each other. A role that bears it is believed for which tenant it works."""

import hmac
from collections.abc import Sequence

import grpc

from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.config import Config
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.identity import Identity, is_tenant
from attune.services.runtime.security.scopes import EVERY_SCOPE

TENANT_KEY = "attune-tenant"
"""The metadata in which a role names the tenant that it works for."""


class RoleTokens:
    """The tokens that are accepted, of which the first is sent: so one follows on another without a gap."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self._tokens = [token.encode() for token in tokens]

    @classmethod
    def of(cls, config: Config) -> "RoleTokens":
        """As configured."""
        given = config.service_token.get_secret_value().split(",")
        return cls([token.strip() for token in given if token.strip()])

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._tokens)

    def metadata(self, tenant: str = DEFAULT_TENANT) -> tuple[tuple[str, str], ...]:
        """What a call to another role bears that is made for a tenant."""
        if not self._tokens:
            return ()
        return (("authorization", f"Bearer {self._tokens[0].decode()}"), (TENANT_KEY, tenant))

    def identify(self, token: str, tenant: str) -> Identity | None:
        """The role that bears a token, working for a tenant; None where it is no role's.

        Raises:
            ServiceError: INVALID_ARGUMENT, a tenant that can be none.
        """
        offered = token.encode(errors="surrogateescape")
        if not any([hmac.compare_digest(offered, known) for known in self._tokens]):  # noqa: C419 - all, in equal time
            return None
        if tenant and not is_tenant(tenant):
            raise ServiceError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_FIELD",
                f"{TENANT_KEY}: a tenant has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'",
            )
        return Identity(tenant or DEFAULT_TENANT, EVERY_SCOPE, is_role=True)
