"""From the metadata of a call to who asks. All kinds of credentials meet here."""

from collections.abc import Sequence
from typing import Protocol

from attune.services.runtime.config import Config
from attune.services.runtime.security.identity import ANYBODY, Identity, unauthenticated
from attune.services.runtime.security.json_web_tokens import JsonWebTokens, wants_json_web_tokens
from attune.services.runtime.security.published_keys import Told, nobody
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.security.static_tokens import StaticTokens

_MOST_BYTES = 8192
"""Of a token. gRPC's own limit on all metadata of a call is a little above."""


class Verifier(Protocol):
    """One kind of credential."""

    async def identify(self, token: str) -> Identity | None:
        """Whose token it is; None where it is none of this kind.

        Raises:
            ServiceError: it is of this kind, but not good (UNAUTHENTICATED), or cannot be judged now (UNAVAILABLE).
        """
        ...


class Authenticator:
    """Knows roles by their token, and callers by what verifiers say. Without either, everybody is the one tenant."""

    def __init__(self, role_tokens: RoleTokens, verifiers: Sequence[Verifier] = ()) -> None:
        self.role_tokens = role_tokens
        self._verifiers = verifiers

    @classmethod
    def of(cls, config: Config, keys_read: Told = nobody) -> "Authenticator":
        """As configured. `keys_read` hears of each reading of an issuer's keys.

        Raises:
            ConfigError: a file of tokens or keys cannot be read, or a setting is wrong.
        """
        tokens = StaticTokens.load(config.tokens_file) if config.tokens_file else None
        verifiers: list[Verifier | None] = [tokens, JsonWebTokens.of(config, keys_read)]
        return cls(RoleTokens.of(config), [each for each in verifiers if each])

    @property
    def is_required(self) -> bool:
        """Whether a call needs a credential."""
        return bool(self.role_tokens or self._verifiers)

    async def identify(self, authorization: str, tenant: str = "") -> Identity:
        """Who asks, by the `authorization` and `attune-tenant` metadata of a call.

        Raises:
            ServiceError: UNAUTHENTICATED; PERMISSION_DENIED, for another tenant; UNAVAILABLE, without keys to judge by.
        """
        identity = await self._identify(authorization, tenant) if self.is_required else ANYBODY
        identity.require_tenant(tenant)
        return identity

    async def _identify(self, authorization: str, tenant: str) -> Identity:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("send 'Bearer <token>' with a token that this server knows")
        if len(token) > _MOST_BYTES:
            raise unauthenticated(f"the token has more than {_MOST_BYTES} bytes")
        if role := self.role_tokens.identify(token, tenant):
            return role
        for verifier in self._verifiers:
            if identity := await verifier.identify(token):
                return identity
        raise unauthenticated("send 'Bearer <token>' with a token that this server knows")


def known_tenants(config: Config) -> frozenset[str] | None:
    """The tenants there are, where the token file says it; None where any name may be one.

    Raises:
        ConfigError: the token file cannot be read.
    """
    if config.tokens_file is None or wants_json_web_tokens(config):
        return None
    return StaticTokens.load(config.tokens_file).tenants
