"""Callers that must not be let in, and what each of them brings in place of a credential."""

from collections.abc import Callable

from tests.e2e.secured.conftest import ROLE_TOKEN, STATIC_TOKEN, Secured
from tests.fakes.issuer import Issuer

NOBODY: dict[str, Callable[[Secured], str]] = {
    "nothing": lambda _secured: "",
    "no token": lambda _secured: "Bearer",
    "an unknown token": lambda _secured: "Bearer unknown",
    "another scheme": lambda _secured: f"Basic {STATIC_TOKEN}",
    "the beginning of a token": lambda _secured: f"Bearer {STATIC_TOKEN[:-1]}",
    "a token and more": lambda _secured: f"Bearer {STATIC_TOKEN} ",
    "the roles' token in part": lambda _secured: f"Bearer {ROLE_TOKEN[:-1]}",
    "an expired one": lambda secured: f"Bearer {secured.issuer.token(valid_s=-3600)}",
    "one for others": lambda secured: f"Bearer {secured.issuer.token(aud='others')}",
    "one of others": lambda secured: f"Bearer {secured.issuer.token(iss='https://others.example')}",
    "one without a tenant": lambda secured: f"Bearer {secured.issuer.token(tenant=None)}",
    "one of another key": lambda _secured: f"Bearer {Issuer().token()}",
    "one without a signature": lambda secured: f"Bearer {secured.token('read').rpartition('.')[0]}.",
}
