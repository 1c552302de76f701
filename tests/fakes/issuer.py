"""An identity provider: it has keys, publishes them, and signs tokens."""

import functools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "attune"


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same one each time: one takes a second to find."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of a private key, as a set has it."""
    public = key.public_key()
    algorithm = {rsa.RSAPublicKey: RSAAlgorithm, ec.EllipticCurvePublicKey: ECAlgorithm}
    made = next((each for kind, each in algorithm.items() if isinstance(public, kind)), OKPAlgorithm)
    return {**made.to_jwk(public, as_dict=True), "kid": kid, **more}


class Issuer:
    """Signs with one key at a time. Keys that it gave up stay published until they are withdrawn."""

    def __init__(self) -> None:
        self.key: Any = ec.generate_private_key(ec.SECP256R1())
        self.kid = "1"
        self.published = [jwk(self.key, self.kid)]

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        is_elliptic = self.algorithm == "ES256"
        self.key = ed25519.Ed25519PrivateKey.generate() if is_elliptic else ec.generate_private_key(ec.SECP256R1())
        self.kid = str(int(self.kid) + 1)
        self.published.append(jwk(self.key, self.kid))

    @property
    def algorithm(self) -> str:
        return "ES256" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "EdDSA"

    @property
    def key_set(self) -> bytes:
        return json.dumps({"keys": self.published}).encode()

    def token(self, *, headers: Mapping[str, Any] | None = None, valid_s: float = 600, **claims: Any) -> str:
        """A good token, but for what the claims change; None leaves a claim out."""
        now = time.time()
        usual = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + valid_s, "iat": now, "tenant": "acme", "scope": "read"}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        header = {"typ": "JWT", "kid": self.kid, **(headers or {})}
        return jwt.PyJWS().encode(json.dumps(said).encode(), self.key, self.algorithm, header)


class KeyServer:
    """Publishes a key set over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0
        self.answer: tuple[int, bytes] = (200, b"")
        self.location = ""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """One that listens on loopback, within the `with` block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            published.asked += 1
            status, content = published.answer
            self.send_response(status)
            if published.location:
                self.send_header("Location", published.location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server names it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    published = KeyServer(f"http://127.0.0.1:{server.server_port}/keys")
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield published
    finally:
        server.shutdown()
        server.server_close()
