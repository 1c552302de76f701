"""JSON Web Tokens (RFC 7519) of an identity provider. What is unusual in one is refused, not interpreted (RFC 8725)."""

import time
from dataclasses import dataclass
from typing import Any

import jwt

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.security.identity import Identity, is_tenant, unauthenticated
from attune.services.runtime.security.jwks import EVERY_ALGORITHM, KeySetError
from attune.services.runtime.security.published_keys import PublishedKeys
from attune.services.runtime.security.scopes import Scope
from attune.services.runtime.security.web import is_protected

_SEGMENTS = 3
_REQUIRED = ("exp", "iss", "aud")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say, and where it says what."""

    issuer: str
    audience: str
    algorithms: frozenset[str]
    leeway_s: float
    """How far the issuer's clock may be off."""
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"
    scope_prefix: str = ""
    """What scopes of attune begin with, among those of other services."""


class JsonWebTokens:
    """Judges tokens of one issuer."""

    def __init__(self, keys: PublishedKeys, expected: Expected) -> None:
        self._keys = keys
        self._expected = expected

    @classmethod
    def of(cls, config: Config) -> "JsonWebTokens | None":
        """As configured; None where no keys are.

        Raises:
            ConfigError: a setting is missing or wrong, or the file of keys is.
        """
        if not wants_json_web_tokens(config):
            return None
        return cls(_keys(config), _expected(config))

    async def identify(self, token: str) -> Identity | None:
        """See `Verifier`. What has not three parts is none."""
        if token.count(".") != _SEGMENTS - 1:
            return None
        claims = await self._claims(token)
        tenant = claims.get(self._expected.tenant_claim)
        if not isinstance(tenant, str) or not is_tenant(tenant):
            raise unauthenticated(f"the token names no tenant in its claim {self._expected.tenant_claim}")
        return Identity(tenant, self._scopes(claims))

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise unauthenticated("the token is no JSON Web Token") from error
        algorithm, kid = str(header.get("alg")), str(header.get("kid", ""))
        if algorithm not in self._expected.algorithms:
            raise unauthenticated("the token is signed by an algorithm that is not accepted (ATTUNE_JWT_ALGORITHMS)")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise unauthenticated("the token is signed with a key that the issuer does not publish")
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                issuer=self._expected.issuer,
                audience=self._expected.audience,
                leeway=self._expected.leeway_s,
                options={"require": list(_REQUIRED)},
            )
        except jwt.ExpiredSignatureError as error:
            raise unauthenticated("the token has expired: get a new one", "EXPIRED_CREDENTIAL") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise unauthenticated(f"the token does not hold: {_why(error)}") from error

    def _scopes(self, claims: dict[str, Any]) -> frozenset[Scope]:
        given = claims.get(self._expected.scope_claim, "")
        names = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        prefix = self._expected.scope_prefix
        return frozenset(scope for scope in Scope if prefix + scope in names)


def wants_json_web_tokens(config: Config) -> bool:
    """Whether tokens are judged by an issuer's keys."""
    return bool(config.jwks_file or config.jwks_url)


def _why(error: Exception) -> str:
    """Without any of its content: what is told in PyJWT's own words may quote the token."""
    match error:
        case jwt.InvalidSignatureError():
            return "its signature is wrong"
        case jwt.InvalidAudienceError():
            return "it is for another audience (aud)"
        case jwt.InvalidIssuerError():
            return "it is of another issuer (iss)"
        case jwt.ImmatureSignatureError():
            return "it is not valid yet (nbf, iat)"
        case jwt.MissingRequiredClaimError():
            return f"it must have the claims {', '.join(_REQUIRED)}"
        case _:
            return "it is malformed"


def _keys(config: Config) -> PublishedKeys:
    if config.jwks_file and config.jwks_url:
        raise ConfigError("ATTUNE_JWKS_FILE and ATTUNE_JWKS_URL are both set: set one of them")
    if config.jwks_file is None:
        if not is_protected(config.jwks_url):
            raise ConfigError(f"ATTUNE_JWKS_URL ({config.jwks_url}) must begin with https://, or be on this machine")
        return PublishedKeys.at_url(config.jwks_url, refresh_s=config.jwks_refresh_s, clock=time.monotonic)
    keys = PublishedKeys.of_file(config.jwks_file, refresh_s=config.jwks_refresh_s, clock=time.monotonic)
    try:
        keys.read_now()
    except OSError as error:
        raise ConfigError(f"ATTUNE_JWKS_FILE ({config.jwks_file}) cannot be read: {error.strerror}") from error
    except KeySetError as error:
        raise ConfigError(f"ATTUNE_JWKS_FILE ({config.jwks_file}) must be a JSON Web Key Set: {error}") from error
    return keys


def _expected(config: Config) -> Expected:
    if not config.jwt_issuer or not config.jwt_audience:
        raise ConfigError("JSON Web Tokens need ATTUNE_JWT_ISSUER and ATTUNE_JWT_AUDIENCE, as the tokens have them")
    algorithms = frozenset(name.strip() for name in config.jwt_algorithms.split(",") if name.strip())
    if not algorithms or algorithms - EVERY_ALGORITHM:
        raise ConfigError(f"ATTUNE_JWT_ALGORITHMS must be some of {','.join(sorted(EVERY_ALGORITHM))}")
    return Expected(
        issuer=config.jwt_issuer,
        audience=config.jwt_audience,
        algorithms=algorithms,
        leeway_s=config.jwt_leeway_s,
        tenant_claim=config.jwt_tenant_claim,
        scope_claim=config.jwt_scope_claim,
        scope_prefix=config.jwt_scope_prefix,
    )
