"""Tokens in a file, for small set-ups: each stands for a tenant and what it may do. Read at the start.

Looked up by their digest, so that how long a look-up takes says nothing about a token, and so that the file may hold
digests in their place.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attune.services.runtime.config import ConfigError
from attune.services.runtime.security.identity import Identity, is_tenant
from attune.services.runtime.security.scopes import EVERY_SCOPE, Scope

ORDINARY_SCOPES = EVERY_SCOPE - {Scope.ADMIN}
"""Of a token that names its tenant alone: all that concerns this tenant only."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_MARK = "sha256:"
"""A key that begins so is a digest or a mistake: taken as a token, a digest that somebody published would open all."""


class StaticTokens:
    """The tokens that are known."""

    def __init__(self, identities: Mapping[str, Identity]) -> None:
        self._identities = {_digest(token): identity for token, identity in identities.items()}

    @classmethod
    def load(cls, path: Path) -> "StaticTokens":
        """Read the token file.

        Raises:
            ConfigError: it cannot be read, or is not what it must be; the message names no token.
        """
        mend = (
            f'ATTUNE_TOKENS_FILE ({path}) must be a JSON object {{"token": "tenant"}}, or '
            '{"token": {"tenant": "...", "scopes": ["read", ...]}}'
        )
        try:
            entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_object)
        except _RepeatedError as error:
            raise ConfigError(f"{mend}; a token or a field is there twice, and only one entry could hold") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"{mend}; it cannot be read") from error
        if not isinstance(entries, dict) or not all(entries):
            raise ConfigError(mend)
        if not entries:
            raise ConfigError(f"{mend}; there is no token in it, and nobody could call")
        if any(token.lower().startswith(_MARK) and not _DIGEST.fullmatch(token) for token in entries):
            raise ConfigError(f"{mend}; a digest in place of a token is {_MARK} and 64 hexadecimal digits")
        return cls({token: _identity(entry, mend) for token, entry in entries.items()})

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that the tokens stand for."""
        return frozenset(each.tenant for each in self._identities.values())

    async def identify(self, token: str) -> Identity | None:
        """Whose token it is; None where nobody's."""
        return self._identities.get(hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest())


class _RepeatedError(Exception):
    """A key is twice in an object."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Of an object in JSON. Raises _RepeatedError, which names no key: it may be a token."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedError
    return made


def _digest(token: str) -> str:
    given = _DIGEST.fullmatch(token)
    return given[1].lower() if given else hashlib.sha256(token.encode()).hexdigest()


def _identity(entry: Any, mend: str) -> Identity:
    if isinstance(entry, str):
        entry = {"tenant": entry, "scopes": sorted(ORDINARY_SCOPES)}
    if not isinstance(entry, dict) or entry.keys() != {"tenant", "scopes"}:
        raise ConfigError(mend)
    tenant, scopes = entry["tenant"], entry["scopes"]
    if not isinstance(tenant, str) or not isinstance(scopes, list):
        raise ConfigError(mend)
    if not is_tenant(tenant):
        raise ConfigError(f"{mend}; tenant {tenant!r} must be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
    unknown = [scope for scope in scopes if scope not in list(Scope)]
    if unknown:
        raise ConfigError(f"{mend}; {unknown[0]!r} is no scope: there are {', '.join(Scope)}")
    return Identity(tenant, frozenset(Scope(scope) for scope in scopes))
