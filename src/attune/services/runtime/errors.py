"""The error model: a status code, a sentence, and details a program can read (AIP-193)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "attune"
RETRY_S = 1.0
"""When to come back to what is away: nobody knows for how long it is."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request that is wrong."""

    field: str
    """Its path, such as "inputs[3].text"."""
    description: str
    """What is wrong and how to mend it."""


@dataclass(eq=False)
class ServiceError(Exception):
    """An error that the caller may see. `reason` is a constant in UPPER_SNAKE_CASE, `message` a sentence for people."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: Sequence[FieldViolation] = ()
    retry_after_s: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The sentence."""
        return self.message

    def to_status(self) -> status_pb2.Status:
        """As google.rpc.Status, with ErrorInfo and, where they say something, BadRequest and RetryInfo."""
        details: list[Message] = [
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        ]
        if self.violations:
            details.append(_bad_request(self.violations))
        if self.retry_after_s is not None:
            delay = Duration()
            delay.FromMilliseconds(round(self.retry_after_s * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return status_pb2.Status(
            code=self.code.value[0], message=self.message, details=[_packed(detail) for detail in details]
        )


def invalid(name: str, description: str, reason: str = "INVALID_FIELD") -> ServiceError:
    """One field of the request is wrong."""
    return ServiceError(
        grpc.StatusCode.INVALID_ARGUMENT, reason, f"{name}: {description}", [FieldViolation(name, description)]
    )


def not_found(message: str) -> ServiceError:
    """The thing asked for does not exist."""
    return ServiceError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", message)


def overloaded(message: str, retry_after_s: float) -> ServiceError:
    """There is more work than can be done in time."""
    return ServiceError(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", message, retry_after_s=retry_after_s)


def failed_precondition(reason: str, message: str) -> ServiceError:
    """The system is not in the state that the request needs."""
    return ServiceError(grpc.StatusCode.FAILED_PRECONDITION, reason, message)


def store_unavailable() -> ServiceError:
    """The knowledge store is away, or held by others for too long; nothing was written."""
    message = "the knowledge store does not answer, or is busy: try again; the server's log says why"
    return ServiceError(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", message, retry_after_s=RETRY_S)


def _bad_request(violations: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.description)
            for each in violations
        ]
    )


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
