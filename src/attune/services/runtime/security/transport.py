"""How bytes travel: encrypted, or on this machine only, unless somebody says that the way is safe."""

import ipaddress
from collections.abc import Callable
from typing import cast

import grpc

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.security.certificates import CertificateFiles, Certificates, RenewedFiles
from attune.services.runtime.security.web import is_loopback

_LOCAL_SCHEMES = ("unix:", "unix-abstract:")
_SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")


def server_credentials(config: Config) -> grpc.ServerCredentials | None:
    """How a server listens; None: in plain text. Its certificates are read anew at each connection, if they changed.

    Raises:
        ConfigError: a file is wrong, or plain text could be read by others on the way.
    """
    files = CertificateFiles.of_server(config)
    if files.certificate is None and files.key is None:
        _require_safe_plain_text(config, files)
        return None
    renewed = RenewedFiles(files, _server_configuration)
    renew = cast("Callable[[], grpc.ServerCertificateConfiguration]", renewed.renew)  # or None: nothing is new
    return grpc.dynamic_ssl_server_credentials(
        renewed.made, renew, require_client_authentication=files.trusted is not None
    )


def require_safe_anonymity(config: Config, *, has_credentials: bool) -> None:
    """Refuse to serve whoever can reach an address that others can reach.

    Raises:
        ConfigError: no credentials are configured.
    """
    if not (has_credentials or is_loopback(config.host) or config.allow_anonymous):
        raise ConfigError(
            f"on {config.host} anybody who reaches it could read and change everything: set ATTUNE_TOKENS_FILE, "
            "ATTUNE_JWKS_URL or, for a role that only roles call, ATTUNE_SERVICE_TOKEN; or ATTUNE_ALLOW_ANONYMOUS=true"
        )


def uses_tls(config: Config) -> bool:
    """Whether this process's calls are encrypted."""
    return bool(CertificateFiles.of_client(config).paths)


def channel_credentials(given: Certificates) -> grpc.ChannelCredentials:
    """How a caller connects. Without certificates to trust, it trusts those that come with gRPC."""
    return grpc.ssl_channel_credentials(given.trusted, given.key, given.chain)


def name_options(server_name: str) -> list[tuple[str, str]]:
    """Options of a channel to servers whose certificates bear another name than they are found by."""
    return [("grpc.ssl_target_name_override", server_name)] if server_name else []


def require_safe_address(address: str, *, allow_plaintext: bool) -> None:
    """Refuse to send plain text to another machine.

    Raises:
        ConfigError: `address` may be one, and nobody said that the way is safe.
    """
    if not (allow_plaintext or is_local(address)):
        raise ConfigError(
            f"what goes to {address} could be read on the way: set ATTUNE_TLS_CA_FILE to the certificates that sign "
            "the server's, or ATTUNE_ALLOW_PLAINTEXT=true where something else encrypts"
        )


def is_local(address: str) -> bool:
    """Whether an address, as gRPC takes it, is this machine's for certain."""
    if address.startswith(_LOCAL_SCHEMES):
        return True
    for scheme in _SCHEMES:
        address = address.removeprefix(scheme)
    hosts = [each.rpartition(":")[0] or each for each in address.split(",")]
    return all(is_loopback(host) or _is_unspecified(host) for host in hosts)


def _is_unspecified(host: str) -> bool:
    """0.0.0.0 and ::, which a server on all addresses of this machine is called by."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _server_configuration(given: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(given.key or b"", given.chain or b"")], given.trusted)


def _require_safe_plain_text(config: Config, files: CertificateFiles) -> None:
    if files.trusted:
        raise ConfigError("ATTUNE_TLS_CLIENT_CA_FILE needs ATTUNE_TLS_CERT_FILE and ATTUNE_TLS_KEY_FILE")
    if not (config.allow_plaintext or is_loopback(config.host)):
        raise ConfigError(
            f"what comes to {config.host} could be read on the way: set ATTUNE_TLS_CERT_FILE and ATTUNE_TLS_KEY_FILE, "
            "or ATTUNE_ALLOW_PLAINTEXT=true where something else encrypts"
        )
