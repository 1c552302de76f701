"""A small document from the web: encrypted or from this machine, from where it was asked for, and not too large."""

import http.client
import ipaddress
import urllib.error
import urllib.request
from urllib.parse import urlsplit

_TIMEOUT_S = 5.0
_MOST_BYTES = 1 << 20
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPDefaultErrorHandler,
)
"""urllib's own, without that for redirections: another place could be an unprotected one."""


class FetchError(Exception):
    """It cannot be had; the message says why, as a clause."""


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine for certain."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_protected(url: str) -> bool:
    """Whether nobody on the way can change what an address gives."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def fetch(url: str) -> bytes:
    """The document at an address that is protected. Blocks for 5 seconds at most between any two bytes.

    Raises:
        FetchError: it cannot be had.
    """
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise FetchError(f"it answers HTTP {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise FetchError(f"it does not answer ({reason})") from error
    if len(content) > _MOST_BYTES:
        raise FetchError(f"it has more than {_MOST_BYTES} bytes")
    return content
