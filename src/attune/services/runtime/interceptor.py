"""What happens around every RPC: deadline, credential, scope, quota, validation, errors, metrics, one log line."""

from __future__ import annotations  # grpc.RpcMethodHandler takes parameters in its stubs only

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from attune.knowledge_store.store import StoreBusyError
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.errors import RETRY_S, ServiceError, store_unavailable
from attune.services.runtime.eventlog.errors import LogUnavailableError
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.quotas import Quotas
from attune.services.runtime.security.role_tokens import TENANT_KEY
from attune.services.runtime.security.scopes import is_open
from attune.services.runtime.tracing import end_server_span, enter_server_span
from attune.services.runtime.validation import Validation

_log = structlog.get_logger("attune.rpc")
_PASSED_ON = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
}

_OF_ROLES = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
"""What another role answers to this one; the caller's credential was good."""

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines of calls that bring none, in seconds."""

    unary_s: float
    stream_s: float


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all services but those that are open to everybody, health and reflection."""

    def __init__(
        self, authenticator: Authenticator, deadlines: Deadlines, metrics: Metrics, quotas: Quotas | None = None
    ) -> None:
        self._authenticator = authenticator
        self._quotas = quotas or Quotas()
        self._deadlines = deadlines
        self._metrics = metrics
        self._validation = Validation()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Give handlers the surroundings of this class, and unknown methods an error with details."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return _unimplemented(method)
        if is_open(method):
            return handler
        return self._wrapped(handler, method)

    def _wrapped(self, handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        codec = (_tolerant(handler.request_deserializer), handler.response_serializer)
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(self._streaming(inner, method, unary_request=not handler.request_streaming), *codec)
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(self._answering(inner, method, unary_request=not handler.request_streaming), *codec)

    def _answering(self, inner: Any, method: str, *, unary_request: bool) -> Any:
        async def answer(request: Any, context: Context) -> Any:
            limit_s = self._deadlines.unary_s if unary_request else self._deadlines.stream_s
            async with self._surroundings(method, context, limit_s):
                return await inner(self._checked(request, unary=unary_request), context)

        return answer

    def _streaming(self, inner: Any, method: str, *, unary_request: bool) -> Any:
        async def answer(request: Any, context: Context) -> AsyncIterator[Message]:
            async with self._surroundings(method, context, self._deadlines.stream_s):
                async for response in inner(self._checked(request, unary=unary_request), context):
                    yield response

        return answer

    def _checked(self, request: Any, *, unary: bool) -> Any:
        """A readable request; a unary one is valid too, the messages of a stream are for its handler, one by one."""
        if not unary:
            return _readable_stream(request)
        self._validation.check(_readable(request))
        return request

    @asynccontextmanager
    async def _surroundings(self, method: str, context: Context, limit_s: float) -> AsyncIterator[None]:
        started = time.monotonic()
        code = grpc.StatusCode.OK
        tenant = ""
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        span = enter_server_span(method, metadata)
        try:
            with self._metrics.in_flight.labels(method).track_inprogress():
                remaining_s = context.time_remaining()
                deadline = started + (limit_s if remaining_s is None else remaining_s)
                async with _deadline(deadline - time.monotonic()):
                    call = await self._admitted(method, metadata, deadline)
                    tenant = call.tenant
                    enter_call(call)
                    yield
        except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
            code = grpc.StatusCode.CANCELLED  # the caller left, or its deadline passed
            raise
        except Exception as error:  # noqa: BLE001 - every error becomes a status here, and only here
            failure = _as_service_error(error, method)
            code = failure.code
            await context.abort_with_status(rpc_status.to_status(failure.to_status()))
        finally:
            self._record(method, code, tenant, time.monotonic() - started)
            end_server_span(span, code, tenant)

    async def _admitted(self, method: str, given: Mapping[str, str], deadline: float) -> Call:
        """The call, of whom its credential names. Raises ServiceError without one that allows it, or beyond a quota."""
        identity = await self._authenticator.identify(given.get("authorization", ""), given.get(TENANT_KEY, ""))
        identity.require_scope(method)
        self._quotas.take(identity)
        return Call(method, identity.tenant, deadline, self._authenticator.role_tokens.metadata(identity.tenant))

    def _record(self, method: str, code: grpc.StatusCode, tenant: str, seconds: float) -> None:
        self._metrics.rpcs.labels(method, code.name).inc()
        self._metrics.rpc_seconds.labels(method).observe(seconds)
        _log.info("rpc", method=method, code=code.name, tenant=tenant, ms=round(seconds * 1000, 2))


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    """Ends what runs in it after so many seconds. A TimeoutError of the handler's own stays one: it is no deadline."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ServiceError(
            grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the deadline passed before the answer was ready"
        ) from error


def _unimplemented(method: str) -> grpc.RpcMethodHandler[Any, Any]:
    """Refuses every call of a method, of whatever kind it is: each can be read as a stream of messages."""
    error = ServiceError(
        grpc.StatusCode.UNIMPLEMENTED,
        "UNKNOWN_METHOD",
        f"{method} is no method of this server; each role serves its own (ATTUNE_*_ADDRESS), and reflection lists them",
    )

    async def refuse(_requests: AsyncIterator[bytes], context: Context) -> None:
        await context.abort_with_status(rpc_status.to_status(error.to_status()))

    return grpc.stream_stream_rpc_method_handler(refuse)


class _Unreadable:
    """Stands for bytes that are no message of the expected type."""


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Lets unreadable bytes through to where an error can be told with details; gRPC would end the call without any."""

    def decode(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _Unreadable()

    return decode


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        raise ServiceError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "UNREADABLE_REQUEST",
            "the request is not a message of this method's type; send protobuf, with its strings in UTF-8",
        )
    return request


async def _readable_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _readable(request)


def _as_service_error(error: Exception, method: str) -> ServiceError:
    """The status that a caller may see. What is unexpected is logged in full and told by its incident number only."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, LogUnavailableError):
        return ServiceError(grpc.StatusCode.UNAVAILABLE, "EVENT_LOG_UNAVAILABLE", str(error), retry_after_s=RETRY_S)
    if isinstance(error, StoreBusyError):
        _log.warning("the knowledge store is away or busy", method=method, why=str(error))
        return store_unavailable()
    if isinstance(error, grpc.aio.AioRpcError) and error.code() in _PASSED_ON:
        return ServiceError(error.code(), "DEPENDENCY", f"a service that {method} needs answered: {error.details()}")
    if isinstance(error, grpc.aio.AioRpcError) and error.code() in _OF_ROLES:
        _log.error("another role refuses this one: give all roles the same ATTUNE_SERVICE_TOKEN", method=method)
    incident = uuid.uuid4().hex
    _log.error("internal error", method=method, incident=incident, exc_info=error)
    return ServiceError(
        grpc.StatusCode.INTERNAL, "INTERNAL", f"internal error; incident {incident} in the server's log tells more"
    )
