"""JSON Web Tokens: what holds, and what is refused, with a reason that quotes nothing of the token."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.issuer import AUDIENCE, ISSUER, Issuer, jwk, rsa_key

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security import json_web_tokens
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.identity import Identity
from attune.services.runtime.security.json_web_tokens import Expected, JsonWebTokens
from attune.services.runtime.security.jwks import EVERY_ALGORITHM, KeySet, KeySetError
from attune.services.runtime.security.published_keys import PublishedKeys
from attune.services.runtime.security.scopes import Scope

KNOWN = Issuer()
DECODE = jwt.decode
READER = Identity("acme", frozenset({Scope.READ}))


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def judge(issuer: Issuer, **changes: Any) -> JsonWebTokens:
    published = PublishedKeys(lambda: issuer.key_set, "keys", refresh_s=300, clock=time.monotonic)
    usual = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": frozenset({"ES256", "EdDSA"}), "leeway_s": 30}
    return JsonWebTokens(published, Expected(**(usual | changes)))


async def refusal(tokens: JsonWebTokens, token: str) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        await tokens.identify(token)
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
    assert token[:20] not in refused.value.message
    return refused.value


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


async def test_a_good_token_names_tenant_and_scopes(issuer: Issuer) -> None:
    assert await judge(issuer).identify(issuer.token()) == READER


@pytest.mark.parametrize("algorithm", sorted(EVERY_ALGORITHM - {"EdDSA", "ES384", "ES512"}))
async def test_tokens_hold_by_each_algorithm_that_is_accepted(algorithm: str) -> None:
    issuer = Issuer()
    key = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa_key()
    issuer.published = [jwk(key, "r")]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60, "tenant": "acme", "scope": "read"}
    token = jwt.encode(claims, key, algorithm, headers={"kid": "r"})
    assert await judge(issuer, algorithms=frozenset({algorithm})).identify(token) == READER
    error = await refusal(judge(issuer, algorithms=EVERY_ALGORITHM - {algorithm}), token)
    assert "ATTUNE_JWT_ALGORITHMS" in error.message


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": None}, "must have the claims exp, iss, aud"),
        ({"iss": None}, "must have the claims"),
        ({"aud": None}, "must have the claims"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": ["other", "others"]}, "another audience"),
        ({"aud": {"attune": 1}}, "another audience"),
        ({"nbf": time.time() + 3600}, "not valid yet"),
        ({"iat": time.time() + 3600}, "not valid yet"),
        ({"nbf": "soon"}, "malformed"),
        ({"exp": []}, "malformed"),
        ({"tenant": None}, "names no tenant"),
        ({"tenant": ""}, "names no tenant"),
        ({"tenant": "a/b"}, "names no tenant"),
        ({"tenant": ["acme"]}, "names no tenant"),
        ({"tenant": "*"}, "names no tenant"),
    ],
)
async def test_a_token_that_says_something_else_is_refused(issuer: Issuer, claims: dict[str, Any], told: str) -> None:
    assert told in (await refusal(judge(issuer), issuer.token(**claims))).message


async def test_an_expired_token_has_a_reason_of_its_own(issuer: Issuer) -> None:
    error = await refusal(judge(issuer), issuer.token(valid_s=-31))
    assert error.reason == "EXPIRED_CREDENTIAL"


async def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    now = time.time()
    token = issuer.token(valid_s=-20, nbf=now + 20, iat=now + 20)
    assert await judge(issuer).identify(token) == READER
    assert (await refusal(judge(issuer, leeway_s=0), token)).code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("attune:read attune:admin", {Scope.READ, Scope.ADMIN}),
        (["attune:write", "attune:write"], {Scope.WRITE}),
        ("read", set()),
        ("attune:fly profile openid", set()),
        ("", set()),
        (None, set()),
        ([1, ["attune:read"], None], set()),
        ({"attune:read": True}, set()),
    ],
)
async def test_scopes_are_those_with_our_prefix(issuer: Issuer, scope: Any, scopes: set[Scope]) -> None:
    tokens = judge(issuer, scope_claim="scp", scope_prefix="attune:", tenant_claim="org")
    assert await tokens.identify(issuer.token(scp=scope, org="globex")) == Identity("globex", frozenset(scopes))


class TestAttacks:
    """What has been tried on other services (RFC 8725)."""

    async def test_no_signature(self, issuer: Issuer) -> None:
        header, payload, _ = issuer.token().split(".")
        for algorithm in ("none", "None", "NONE", ""):
            unsigned = f"{encoded({'alg': algorithm, 'kid': '1'})}.{payload}."
            assert "algorithm" in (await refusal(judge(issuer), unsigned)).message
        assert "signature is wrong" in (await refusal(judge(issuer), f"{header}.{payload}.")).message

    async def test_the_public_key_as_a_shared_secret(self, issuer: Issuer) -> None:
        pem = issuer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        signed = f"{encoded({'alg': 'HS256', 'kid': '1'})}.{issuer.token().split('.')[1]}"
        mac = base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
        assert "algorithm" in (await refusal(judge(issuer), f"{signed}.{mac}")).message

    async def test_a_key_that_the_token_brings_along(self, issuer: Issuer) -> None:
        own = Issuer()
        headers = {"jwk": own.published[0], "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert"}
        assert "signature is wrong" in (await refusal(judge(issuer), own.token(headers=headers))).message

    async def test_changed_claims(self, issuer: Issuer) -> None:
        header, payload, signature = issuer.token().split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        forged = f"{header}.{encoded(claims | {'tenant': 'globex'})}.{signature}"
        assert "signature is wrong" in (await refusal(judge(issuer), forged)).message

    async def test_extensions_that_must_be_understood(self, issuer: Issuer) -> None:
        token = issuer.token(headers={"crit": ["exp"], "exp": 1})
        assert (await refusal(judge(issuer), token)).code is grpc.StatusCode.UNAUTHENTICATED

    @pytest.mark.parametrize("header", [[], 7, {"alg": []}, {"alg": "ES256", "kid": 7}, {"alg": "ES256", "kid": "?"}])
    async def test_strange_headers(self, issuer: Issuer, header: object) -> None:
        _, payload, signature = issuer.token().split(".")
        await refusal(judge(issuer), f"{encoded(header)}.{payload}.{signature}")

    async def test_nesting_that_exhausts_a_parser(self, issuer: Issuer) -> None:
        deep = base64.urlsafe_b64encode(b"[" * 100_000).rstrip(b"=").decode()
        await refusal(judge(issuer), f"{deep}.{deep}.AAAA")


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=50))
async def test_no_text_at_all_is_a_token(header: str, payload: str, signature: str) -> None:
    token = ".".join(part.replace(".", "") for part in (header, payload, signature))
    with pytest.raises(ServiceError) as refused:
        await judge(KNOWN).identify(token)
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("token", ["", "s3cret", "a.b", "a.b.c.d"])
async def test_what_has_not_three_parts_is_another_kind_of_credential(issuer: Issuer, token: str) -> None:
    assert await judge(issuer).identify(token) is None


class TestRemembering:
    """A token that was found good is not verified again, but for no longer than it is good."""

    def verified(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        seen: list[str] = []

        def decode(token: str, *arguments: Any, **options: Any) -> Any:
            seen.append(token)
            return DECODE(token, *arguments, **options)

        monkeypatch.setattr(jwt, "decode", decode)
        return seen

    async def test_it_is_verified_once(self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        seen, tokens, token = self.verified(monkeypatch), judge(issuer), issuer.token()
        assert [await tokens.identify(token) for _ in range(3)] == [READER] * 3
        assert seen == [token]

    async def test_one_that_is_not_good_is_judged_each_time(self, issuer: Issuer) -> None:
        tokens, token = judge(issuer), issuer.token(aud="others")
        for _ in range(2):
            await refusal(tokens, token)
        assert tokens._judged == {}

    async def test_it_expires_all_the_same(self, issuer: Issuer) -> None:
        published = PublishedKeys(lambda: issuer.key_set, "keys", refresh_s=300, clock=time.monotonic)
        expected = Expected(ISSUER, AUDIENCE, frozenset({"ES256"}), leeway_s=30)
        now = [time.time()]
        tokens, token = JsonWebTokens(published, expected, now=lambda: now[0]), issuer.token(valid_s=-29)
        assert await tokens.identify(token) == READER
        now[0] += 2
        assert await tokens._seen(token) is None

    async def test_a_key_that_is_withdrawn_takes_its_tokens_along(self) -> None:
        issuer, now = Issuer(), [0.0]
        published = PublishedKeys(lambda: issuer.key_set, "keys", refresh_s=300, clock=lambda: now[0])
        tokens = JsonWebTokens(published, Expected(ISSUER, AUDIENCE, frozenset({"ES256", "EdDSA"}), leeway_s=0))
        token = issuer.token()
        assert await tokens.identify(token) == READER
        issuer.rotate()
        issuer.published = issuer.published[1:]
        now[0] += 11
        assert await tokens.identify(issuer.token()) == READER
        assert "does not publish" in (await refusal(tokens, token)).message

    async def test_one_for_ever_is_one(self, issuer: Issuer) -> None:
        assert await judge(issuer).identify(issuer.token(exp=10**400)) == READER

    async def test_only_so_many_are_remembered(self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_web_tokens, "_MOST_JUDGED", 3)
        tokens = judge(issuer)
        for number in range(10):
            assert await tokens.identify(issuer.token(jti=str(number))) == READER
        assert len(tokens._judged) == 3


class TestKeySets:
    @pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": []}', b"\xff", b"[" * 100_000])
    def test_what_is_none(self, content: bytes) -> None:
        with pytest.raises(KeySetError):
            KeySet.parse(content)

    @pytest.mark.parametrize(
        "entry",
        [
            None,
            {"kty": "oct", "k": "c2VjcmV0", "kid": "1"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-256"},
            {"kty": "EC", "crv": ["P-256"]},
            {"kty": "OKP", "crv": "Ed25519", "x": 7},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
            Issuer().published[0] | {"use": "enc"},
            Issuer().published[0] | {"alg": "HS256"},
            Issuer().published[0] | {"d": "c2VjcmV0"},
            jwk(rsa_key(1024), "short"),
        ],
    )
    def test_what_verifies_nothing_is_left_out(self, entry: Any) -> None:
        with pytest.raises(KeySetError, match="no public key"):
            KeySet.parse(json.dumps({"keys": [entry]}).encode())
        good = Issuer().published[0]
        assert [each.kid for each in KeySet.parse(json.dumps({"keys": [entry, good]}).encode()).keys] == ["1"]

    def test_a_key_is_used_for_its_algorithm_only(self) -> None:
        keys = KeySet.parse(json.dumps({"keys": [jwk(rsa_key(), "r", alg="PS256")]}).encode())
        assert keys.find("r", "PS256")
        assert keys.find("r", "RS256") is None

    def test_a_token_without_a_name_of_its_key_needs_there_to_be_one(self) -> None:
        issuer = Issuer()
        assert KeySet.parse(issuer.key_set).find("", "ES256")
        issuer.rotate()
        assert KeySet.parse(issuer.key_set).find("", "ES256")
        issuer.rotate()
        assert KeySet.parse(issuer.key_set).find("", "ES256") is None


class TestSettings:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        path = tmp_path / "keys.json"
        path.write_bytes(KNOWN.key_set)
        return {"jwks_file": path, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}

    async def test_a_file_of_keys_is_enough(self, settings: dict[str, Any]) -> None:
        authenticator = Authenticator.of(Config(**settings))
        assert authenticator.is_required
        assert await authenticator.identify(f"Bearer {KNOWN.token()}") == READER

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"jwt_issuer": ""}, "ATTUNE_JWT_ISSUER"),
            ({"jwt_audience": ""}, "ATTUNE_JWT_AUDIENCE"),
            ({"jwt_algorithms": "HS256"}, "ATTUNE_JWT_ALGORITHMS"),
            ({"jwt_algorithms": "none"}, "ATTUNE_JWT_ALGORITHMS"),
            ({"jwt_algorithms": " , "}, "ATTUNE_JWT_ALGORITHMS"),
            ({"jwks_url": "https://issuer.example/keys"}, "both set"),
            ({"jwks_file": None, "jwks_url": "http://issuer.example/keys"}, "https://"),
            ({"jwks_file": None, "jwks_url": "issuer.example"}, "https://"),
            ({"jwks_file": Path("nowhere.json")}, "ATTUNE_JWKS_FILE"),
            ({"jwks_file": Path(__file__)}, "JSON Web Key Set"),
        ],
    )
    def test_a_wrong_one_is_named(self, settings: dict[str, Any], changes: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError, match=named):
            Authenticator.of(Config(**(settings | changes)))
