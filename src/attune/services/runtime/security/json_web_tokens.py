"""JSON Web Tokens (RFC 7519) of an identity provider. What is unusual in one is refused, not interpreted (RFC 8725)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.security.identity import Identity, is_tenant, unauthenticated
from attune.services.runtime.security.jwks import EVERY_ALGORITHM, KeySetError, VerifyingKey
from attune.services.runtime.security.published_keys import PublishedKeys, Told, nobody
from attune.services.runtime.security.scopes import Scope
from attune.services.runtime.security.web import is_protected

_SEGMENTS = 3
_MOST_JUDGED = 1000
_FAR_AWAY_S = 1 << 40
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


@dataclass(frozen=True, slots=True)
class _Judged:
    """A token that was found good, and by what it is so still."""

    identity: Identity
    kid: str
    algorithm: str
    key: VerifyingKey
    expires_at: float
    """In seconds since 1970, what clocks may differ by included."""


class JsonWebTokens:
    """Judges tokens of one issuer. Backends send one token for minutes, and verifying a signature is most of the work:
    so what was found good is remembered, until it expires or its key is read anew.
    """

    def __init__(self, keys: PublishedKeys, expected: Expected, *, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._expected = expected
        self._now = now
        self._judged: dict[str, _Judged] = {}

    @classmethod
    def of(cls, config: Config, told: Told = nobody) -> "JsonWebTokens | None":
        """As configured; None where no keys are. `told` hears of each reading of the keys.

        Raises:
            ConfigError: a setting is missing or wrong, or the file of keys is.
        """
        if not wants_json_web_tokens(config):
            return None
        return cls(_keys(config, told), _expected(config))

    async def identify(self, token: str) -> Identity | None:
        """See `Verifier`. What has not three parts is none."""
        if token.count(".") != _SEGMENTS - 1:
            return None
        if identity := await self._seen(token):
            return identity
        kid, algorithm = self._header(token)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise unauthenticated("the token is signed with a key that the issuer does not publish")
        claims = self._claims(token, key, algorithm)
        identity = self._identity(claims)
        while len(self._judged) >= _MOST_JUDGED:
            del self._judged[next(iter(self._judged))]
        self._judged[token] = _Judged(identity, kid, algorithm, key, self._end(claims))
        return identity

    async def _seen(self, token: str) -> Identity | None:
        """Whose token it is, where it was found good, by a key that is still published, and has not expired."""
        judged = self._judged.get(token)
        if judged is None:
            return None
        key = await self._keys.find(judged.kid, judged.algorithm)
        if key is judged.key and self._now() < judged.expires_at:
            return judged.identity
        self._judged.pop(token, None)
        return None

    def _header(self, token: str) -> tuple[str, str]:
        """The name of the key, empty where there is none, and the algorithm."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise unauthenticated("the token is no JSON Web Token") from error
        algorithm = str(header.get("alg"))
        if algorithm not in self._expected.algorithms:
            raise unauthenticated("the token is signed by an algorithm that is not accepted (ATTUNE_JWT_ALGORITHMS)")
        return str(header.get("kid", "")), algorithm

    def _claims(self, token: str, key: VerifyingKey, algorithm: str) -> dict[str, Any]:
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

    def _end(self, claims: dict[str, Any]) -> float:
        return min(int(claims["exp"]), _FAR_AWAY_S) + self._expected.leeway_s

    def _identity(self, claims: dict[str, Any]) -> Identity:
        tenant = claims.get(self._expected.tenant_claim)
        if not isinstance(tenant, str) or not is_tenant(tenant):
            raise unauthenticated(f"the token names no tenant in its claim {self._expected.tenant_claim}")
        return Identity(tenant, self._scopes(claims))

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


def _keys(config: Config, told: Told) -> PublishedKeys:
    if config.jwks_file and config.jwks_url:
        raise ConfigError("ATTUNE_JWKS_FILE and ATTUNE_JWKS_URL are both set: set one of them")
    if config.jwks_file is None:
        if not is_protected(config.jwks_url):
            raise ConfigError(f"ATTUNE_JWKS_URL ({config.jwks_url}) must begin with https://, or be on this machine")
        return PublishedKeys.at_url(config.jwks_url, refresh_s=config.jwks_refresh_s, clock=time.monotonic, told=told)
    keys = PublishedKeys.of_file(config.jwks_file, refresh_s=config.jwks_refresh_s, clock=time.monotonic, told=told)
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
