"""Page tokens (AIP-158): opaque, and of use only to the request they were made for."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from attune.services.runtime.errors import invalid


def fingerprint(parts: Sequence[str]) -> str:
    """Identifies a request by everything but its page."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:16]


def encode_token(position: object, request: str) -> str:
    """A token that says where the next page of `request` starts; short, as it comes back in a request."""
    written = json.dumps([request, position], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(written.encode("utf-8", "surrogatepass")).decode()


def decode_token(token: str, request: str, is_position: Callable[[Any], bool]) -> Any:
    """Where the page starts; None for the first.

    Args:
        token: what the caller sent.
        request: the fingerprint of the caller's request.
        is_position: whether a value is a position that a token of this request may hold.

    Raises:
        ServiceError: INVALID_ARGUMENT for a token that is damaged or was made for another request.
    """
    if not token:
        return None
    damaged = invalid("page_token", "is damaged; send next_page_token of the previous page as it was")
    try:
        made_for, position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, binascii.Error) as error:
        raise damaged from error
    if made_for != request:
        raise invalid("page_token", "was made for another request; repeat every other field as it was")
    if not is_position(position):
        raise damaged
    return position
