"""Prometheus metrics of a process. One registry, handed to whoever counts."""

from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What every server counts, and a registry for what a service counts on top."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rpcs = Counter("attune_rpcs", "RPCs answered.", ["method", "code"], registry=self.registry)
        self.rpc_seconds = Histogram(
            "attune_rpc_seconds", "Time to answer an RPC.", ["method"], buckets=_SECONDS, registry=self.registry
        )
        self.in_flight = Gauge("attune_rpcs_in_flight", "RPCs being answered.", ["method"], registry=self.registry)
        self.suggestions = Counter(
            "attune_suggestions", "Suggestion requests answered.", ["path"], registry=self.registry
        )
        self.cached_texts = Counter(
            "attune_embedding_cache_texts", "Texts looked up in the cache.", ["outcome"], registry=self.registry
        )
        self.queued_tokens = Gauge(
            "attune_embedding_queued_tokens", "Tokens of texts that wait for a worker.", registry=self.registry
        )
        self.documents = Counter("attune_documents", "Documents received.", ["outcome"], registry=self.registry)
        self.certificate_expiry = Gauge(
            "attune_certificate_expiry_timestamp_seconds",
            "When a certificate in use expires, in seconds since 1970.",
            ["side", "part"],
            registry=self.registry,
        )
        self._keys_read_at = Gauge(
            "attune_jwks_last_success_timestamp_seconds",
            "When the issuer's keys were last read, in seconds since 1970; 0: never.",
            registry=self.registry,
        )
        self._keys_not_read = Counter(
            "attune_jwks_failures", "Readings of the issuer's keys that failed.", registry=self.registry
        )
        self._serving: tuple[WSGIServer, Thread] | None = None

    def count_key_reading(self, *, succeeded: bool) -> None:
        """The keys that tokens are judged by were read just now, or could not be."""
        if succeeded:
            self._keys_read_at.set_to_current_time()
        else:
            self._keys_not_read.inc()

    def serve(self, host: str, port: int) -> int:
        """Publish the metrics over HTTP; return the port. A port of 0 takes a free one."""
        self._serving = start_http_server(port, addr=host, registry=self.registry)
        return int(self._serving[0].server_port)

    def close(self) -> None:
        """Publish them no more: the port is free."""
        if self._serving is None:
            return
        server, thread = self._serving
        server.shutdown()
        server.server_close()
        thread.join()
        self._serving = None
