"""Every RPC of every role, called by nobody."""

from collections.abc import Mapping, Sequence

import grpc

from attune.services.cli.measure.reflected import Reflected, reflected_methods
from attune.services.cli.measure.report import Row
from attune.services.runtime.config import RoleName

NOBODY: Mapping[str, str] = {
    "no credential": "",
    "an unknown token": "Bearer unknown",
    "another scheme": "Basic unknown",
}
"""What comes in place of a credential."""


def unauthorised_rows(addresses: Mapping[RoleName, str]) -> list[Row]:
    """By role and kind of nobody, how many RPCs there are and how many did more than refuse the caller."""
    rows: list[Row] = []
    for role, address in addresses.items():
        with grpc.insecure_channel(address) as channel:
            methods = list(reflected_methods(channel))
            rows += [_row(role, who, methods, authorization) for who, authorization in NOBODY.items()]
    return rows


def _row(role: RoleName, who: str, methods: Sequence[Reflected], authorization: str) -> Row:
    errors = [each.error(authorization=authorization) if authorization else each.error() for each in methods]
    return {
        "phase": "unauthorised",
        "role": str(role),
        "who": who,
        "rpcs": len(methods),
        "answered": sum(not _refused(each) for each in errors),
    }


def _refused(error: grpc.Call | None) -> bool:
    return error is not None and error.code() is grpc.StatusCode.UNAUTHENTICATED
