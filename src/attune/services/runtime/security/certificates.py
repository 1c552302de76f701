"""Certificates and keys in files, read again when the files change: they are replaced every few weeks, or hours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from attune.services.runtime.config import Config, ConfigError

_log = structlog.get_logger("attune.security")
Made = TypeVar("Made")
_CERT, _KEY, _CA = "ATTUNE_TLS_CERT_FILE", "ATTUNE_TLS_KEY_FILE", "ATTUNE_TLS_CA_FILE, ATTUNE_TLS_CLIENT_CA_FILE"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of one side of a connection."""

    certificate: Path | None = None
    """A certificate and those that lead from it to a root."""
    key: Path | None = None
    """Its private key, without a password."""
    trusted: Path | None = None
    """Certificates that sign those of the other side."""

    @classmethod
    def of_server(cls, config: Config) -> "CertificateFiles":
        """What a server shows, and whom it lets in."""
        return cls(config.tls_cert_file, config.tls_key_file, config.tls_client_ca_file)

    @classmethod
    def of_client(cls, config: Config) -> "CertificateFiles":
        """What a caller shows, and which servers it believes."""
        return cls(config.tls_cert_file, config.tls_key_file, config.tls_ca_file)

    @property
    def paths(self) -> Sequence[Path]:
        """Those that there are."""
        return [path for path in (self.certificate, self.key, self.trusted) if path]


@dataclass(frozen=True, slots=True)
class Certificates:
    """What is in the files, and fits together."""

    chain: bytes | None
    key: bytes | None
    trusted: bytes | None
    names: Sequence[str] = ()
    """The DNS names that the certificate is for."""
    expires_at: datetime | None = None
    """When the chain ends to hold: with the first of its certificates that expires."""
    trusted_until: datetime | None = None
    """When the last of the trusted ones expires: from then on nobody is believed."""

    @classmethod
    def read(cls, files: CertificateFiles) -> "Certificates":
        """Read them.

        Raises:
            ConfigError: one cannot be read, is no PEM, or key and certificate do not fit.
        """
        if (files.certificate is None) != (files.key is None):
            raise ConfigError(f"{_CERT} and {_KEY} go together: set both, or none")
        trusted, trusted_until = None, None
        if files.trusted:
            trusted = _read(files.trusted, _CA)
            trusted_until = max(each.not_valid_after_utc for each in _parsed(trusted, files.trusted, _CA))
        if files.certificate is None or files.key is None:
            return cls(None, None, trusted, trusted_until=trusted_until)
        chain, key = _read(files.certificate, _CERT), _read(files.key, _KEY)
        parsed = _parsed(chain, files.certificate, _CERT)
        own = parsed[0]
        _require_fit(own, key, files)
        if own.not_valid_after_utc < datetime.now(UTC):
            _log.warning(
                "the certificate has expired",
                file=str(files.certificate),
                at=str(own.not_valid_after_utc),
                mend=f"replace the files of {_CERT} and {_KEY}: they are taken without a restart",
            )
        return cls(chain, key, trusted, _names(own), min(each.not_valid_after_utc for each in parsed), trusted_until)


class RenewedFiles(Generic[Made]):
    """Something made of certificates, and made again when their files have changed. To be used by any thread.

    Files are replaced one after the other: what does not fit together, or cannot be read, is tried again the next time,
    and what was made before stays. The log says so once for each change of the files.
    """

    def __init__(self, files: CertificateFiles, make: Callable[[Certificates], Made]) -> None:
        """Raises ConfigError where the files are wrong now."""
        self._files = files
        self._make = make
        self._lock = Lock()
        self._stamp = self._refused = _stamp(files)
        self.made = make(Certificates.read(files))

    def renew(self) -> Made | None:
        """What is made of the files now, if that is anything new; None where it is what it was."""
        with self._lock:
            stamp = _stamp(self._files)
            if stamp == self._stamp:
                return None
            try:
                made = self._make(Certificates.read(self._files))
            except ConfigError as error:
                if stamp != self._refused:  # a server looks at each handshake
                    _log.warning("new certificates are not taken; those of before are used", why=str(error))
                self._refused = stamp
                return None
            self._stamp, self.made = stamp, made
            _log.info("new certificates", files=[str(path) for path in self._files.paths])
            return made


def _stamp(files: CertificateFiles) -> Sequence[tuple[int, int, int] | None]:
    """Which versions of the files there are."""
    return [_version(path) for path in files.paths]


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): see to {setting}") from error


def _parsed(pem: bytes, path: Path, setting: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(
            f"{path} must have certificates in PEM (-----BEGIN CERTIFICATE-----): see to {setting}"
        ) from error


def _require_fit(own: x509.Certificate, key: bytes, files: CertificateFiles) -> None:
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{files.key} must have a private key in PEM, without a password: see to {_KEY}") from error
    try:
        public = own.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{files.certificate} has a key of a kind that is not known: take RSA or P-256 for {_CERT}"
        ) from error
    if private.public_key() != public:
        raise ConfigError(
            f"{files.key} is not the key of the first certificate in {files.certificate}: see to {_KEY} and {_CERT}"
        )


def _names(own: x509.Certificate) -> Sequence[str]:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return names.get_values_for_type(x509.DNSName)
