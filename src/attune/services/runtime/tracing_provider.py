"""Sends spans to a collector (OTLP over gRPC), in batches, from a thread of its own. Called by main programs only."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import trace

from attune.services.runtime.config import Config, ConfigError, RoleName

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_SCHEMES = ("http://", "https://")


@contextmanager
def tracing(config: Config, roles: Collection[RoleName]) -> Iterator[None]:
    """Makes traces where `config` says where they go. At the end, what is left of them is sent.

    Raises:
        ConfigError: the endpoint is none, or what sends traces is not installed.
    """
    if not config.otlp_endpoint:
        yield
        return
    provider = make_provider(config, roles, _exporter(config.otlp_endpoint))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def make_provider(config: Config, roles: Collection[RoleName], exporter: "SpanExporter") -> "TracerProvider":
    """As `config` says, with the roles of this process in the service's name."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    name = f"attune-{next(iter(roles))}" if len(roles) == 1 else "attune"
    resource = Resource.create({"service.name": name, "service.version": version("attune")})
    provider = TracerProvider(ParentBasedTraceIdRatio(config.trace_ratio), resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _exporter(endpoint: str) -> "SpanExporter":
    if not endpoint.startswith(_SCHEMES):
        raise ConfigError(f"ATTUNE_OTLP_ENDPOINT: {endpoint!r} must begin with http:// or https://")
    return _otlp()(endpoint)


def _otlp() -> Callable[[str], "SpanExporter"]:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("ATTUNE_OTLP_ENDPOINT needs `pip install 'attune[tracing]'`") from error
    return OTLPSpanExporter
