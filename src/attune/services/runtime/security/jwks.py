"""The public keys that an issuer signs with: read from what it publishes, a JSON Web Key Set (RFC 7517)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

ALGORITHMS = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
}
"""What can be verified with a public key of which kind or curve. No algorithm with a shared secret is among them: who
could verify a token by it could make one.
"""
EVERY_ALGORITHM = frozenset().union(*ALGORITHMS.values())
_FEWEST_RSA_BITS = 2048


class KeySetError(Exception):
    """What should be a key set is none; the message says why, as a clause."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key."""

    kid: str
    """Its name; empty where it has none."""
    algorithms: frozenset[str]
    """What may be signed with it."""
    key: Any
    """As cryptography has it."""


class KeySet:
    """The keys of an issuer at one time."""

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self.keys = tuple(keys)

    @classmethod
    def parse(cls, content: bytes) -> "KeySet":
        """Read a key set, without the keys in it that verify nothing here.

        Raises:
            KeySetError: it is none, or has no key that can be used.
        """
        try:
            given = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise KeySetError("it is no JSON") from error
        entries = given.get("keys") if isinstance(given, dict) else None
        if not isinstance(entries, list):
            raise KeySetError('it is no object with a list of "keys"')
        keys = [key for entry in entries if (key := _verifying_key(entry))]
        if not keys:
            raise KeySetError("it has no public key for signatures: RSA of 2048 bits or more, EC or Ed25519")
        return cls(keys)

    def find(self, kid: str, algorithm: str) -> VerifyingKey | None:
        """The key of this name; without a name, the only one that there is for the algorithm."""
        fitting = [each for each in self.keys if algorithm in each.algorithms]
        if kid:
            return next((each for each in fitting if each.kid == kid), None)
        return fitting[0] if len(fitting) == 1 else None


def _verifying_key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    kind = entry.get("kty")
    algorithms = ALGORITHMS.get(str(kind if kind == "RSA" else entry.get("crv")), frozenset())
    if "alg" in entry:
        algorithms &= {str(entry["alg"])}
    if not algorithms:
        return None
    try:
        key = PyJWK(entry, min(algorithms)).key
    except (PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _FEWEST_RSA_BITS:
        return None
    kid = entry.get("kid", "")
    return VerifyingKey(kid if isinstance(kid, str) else "", frozenset(algorithms), key)
