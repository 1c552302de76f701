"""Who asks, as a credential says it. The tenant comes from here, never from the request (invariant 7)."""

import re
from dataclasses import dataclass

import grpc

from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.scopes import EVERY_SCOPE, SCOPES, Scope

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")  # as tenant_id of events; a slash would blur the log's keys


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    return _TENANT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: of which tenant, and what it may do."""

    tenant: str
    scopes: frozenset[Scope]
    is_role: bool = False
    """One of attune's own roles, which works for a caller that was let in already: no quota counts it again."""

    def require_scope(self, method: str) -> None:
        """Refuse what the credential does not allow, and what nobody has declared.

        Raises:
            ServiceError: PERMISSION_DENIED.
        """
        needed = SCOPES.get(method)
        if needed is None:
            raise ServiceError(
                grpc.StatusCode.PERMISSION_DENIED,
                "NO_SCOPE_DECLARED",
                f"{method} says nowhere which scope it needs, so nobody may call it: a mistake of this server",
            )
        if needed not in self.scopes:
            raise ServiceError(
                grpc.StatusCode.PERMISSION_DENIED,
                "MISSING_SCOPE",
                f"{method} needs the scope {needed}, which this credential does not have",
                metadata={"scope": str(needed)},
            )

    def require_tenant(self, asked: str) -> None:
        """Refuse a call that names another tenant than its credential does.

        Raises:
            ServiceError: PERMISSION_DENIED.
        """
        if asked and asked != self.tenant:
            raise ServiceError(
                grpc.StatusCode.PERMISSION_DENIED,
                "OTHER_TENANT",
                "attune-tenant: is not the tenant of this credential; leave it out",
            )


ANYBODY = Identity(DEFAULT_TENANT, EVERY_SCOPE)
"""Where no credentials are required: a single tenant on one machine."""


def unauthenticated(what: str, reason: str = "INVALID_CREDENTIAL") -> ServiceError:
    """The credential is none; `what` is wrong with it, as a clause without the credential itself."""
    return ServiceError(grpc.StatusCode.UNAUTHENTICATED, reason, f"authorization: {what}")
