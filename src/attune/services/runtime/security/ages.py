"""How long the certificates in use hold, as metrics: they expire all at once, and every call fails from then on."""

from collections.abc import Callable
from datetime import datetime

from attune.services.runtime.config import Config
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.security.certificates import CertificateFiles, Certificates, RenewedFiles

_PARTS: dict[str, Callable[[Certificates], datetime | None]] = {
    "own": lambda read: read.expires_at,
    "trusted": lambda read: read.trusted_until,
}


def publish_expiry(config: Config, metrics: Metrics) -> None:
    """Let the metrics say until when the certificates hold that this process shows and believes, as far as it has any.

    Files are looked at for each reading of the metrics, and taken by the rules by which servers and callers take them:
    what they refuse, and go on without, is not told either.

    Raises:
        ConfigError: a file is wrong.
    """
    for side, files in (("server", _of_server(config)), ("client", CertificateFiles.of_client(config))):
        renewed = RenewedFiles(files, lambda read: read)
        for part, end_of in _PARTS.items():
            if end_of(renewed.made):
                gauge = metrics.certificate_expiry.labels(side=side, part=part)
                gauge.set_function(_reading(renewed, end_of))


def _of_server(config: Config) -> CertificateFiles:
    """A server in plain text shows and believes nothing."""
    return CertificateFiles.of_server(config) if config.tls_cert_file else CertificateFiles()


def _reading(
    renewed: RenewedFiles[Certificates], end_of: Callable[[Certificates], datetime | None]
) -> Callable[[], float]:
    def read() -> float:
        renewed.renew()
        end = end_of(renewed.made)
        return end.timestamp() if end else 0.0

    return read
