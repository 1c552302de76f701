"""Every RPC of every role, called by nobody."""

from collections.abc import Mapping

import grpc

from attune.services.cli.measure.reflected import reflected_methods
from attune.services.cli.measure.report import Row
from attune.services.runtime.config import RoleName

NOBODY: Mapping[str, Mapping[str, str]] = {
    "no credential": {},
    "an unknown token": {"authorization": "Bearer unknown"},
    "a token for others": {"authorization": "Basic unknown"},
}


def unauthorised_rows(addresses: Mapping[RoleName, str]) -> list[Row]:
    """By role and kind of nobody, how many RPCs there are and how many did more than refuse the caller."""
    rows: list[Row] = []
    for role, address in addresses.items():
        with grpc.insecure_channel(address) as channel:
            methods = list(reflected_methods(channel))
            for who, metadata in NOBODY.items():
                errors = [each.error(**metadata) for each in methods]
                answered = sum(not _refused(each) for each in errors)
                rows.append({"phase": "unauthorised", "role": str(role), "who": who, "rpcs": len(methods)})
                rows[-1] = {**rows[-1], "answered": answered}
    return rows


def _refused(error: grpc.Call | None) -> bool:
    return error is not None and error.code() is grpc.StatusCode.UNAUTHENTICATED
