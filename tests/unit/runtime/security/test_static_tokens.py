"""Tokens in a file: whose they are, and that a bad file is refused at the start."""

import hashlib
import json
from pathlib import Path

import pytest

from attune.services.runtime.config import ConfigError
from attune.services.runtime.security.identity import Identity
from attune.services.runtime.security.scopes import EVERY_SCOPE, Scope
from attune.services.runtime.security.static_tokens import ORDINARY_SCOPES, StaticTokens


def loaded(directory: Path, content: object) -> StaticTokens:
    path = directory / "tokens.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return StaticTokens.load(path)


async def test_a_token_with_a_tenant_alone_may_do_what_concerns_that_tenant_only(tmp_path: Path) -> None:
    known = loaded(tmp_path, {"s3cret": "acme", "other": "globex"})
    assert await known.identify("s3cret") == Identity("acme", ORDINARY_SCOPES)
    assert await known.identify("other") == Identity("globex", ORDINARY_SCOPES)
    assert {Scope.ADMIN} == EVERY_SCOPE - ORDINARY_SCOPES
    assert known.tenants == {"acme", "globex"}


async def test_a_token_may_do_what_its_entry_says(tmp_path: Path) -> None:
    known = loaded(tmp_path, {"a": {"tenant": "acme", "scopes": ["read", "admin"]}, "b": {"tenant": "b", "scopes": []}})
    assert await known.identify("a") == Identity("acme", frozenset({Scope.READ, Scope.ADMIN}))
    assert await known.identify("b") == Identity("b", frozenset())


async def test_the_file_may_hold_a_digest_in_place_of_the_token(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"s3cret").hexdigest()
    known = loaded(tmp_path, {f"sha256:{digest}": "acme"})
    assert await known.identify("s3cret") == Identity("acme", ORDINARY_SCOPES)
    assert await known.identify(f"sha256:{digest}") is None


@pytest.mark.parametrize("mark", ["sha256:", "SHA256:", "Sha256:"])
async def test_a_digest_is_one_in_capitals_too_and_never_a_token(tmp_path: Path, mark: str) -> None:
    digest = mark + hashlib.sha256(b"s3cret").hexdigest().upper()
    known = loaded(tmp_path, {digest: "acme"})
    assert await known.identify("s3cret") == Identity("acme", ORDINARY_SCOPES)
    assert await known.identify(digest) is None


@pytest.mark.parametrize(
    "key",
    ["sha256:", "SHA256:s3cret", "sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "g" * 64, "sha256:s3cret "],
)
def test_what_begins_as_a_digest_and_is_none_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_TOKENS_FILE.*64 hexadecimal digits") as refused:
        loaded(tmp_path, {key: "acme"})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("token", ["", "S3cret", "s3cret ", "s3cre", "\udcff", "x" * 100_000])
async def test_no_other_token_is_anybodys(tmp_path: Path, token: str) -> None:
    assert await loaded(tmp_path, {"s3cret": "acme"}).identify(token) is None


BAD = [
    *("", "[]", "{", '{"": "acme"}', '{"t": 1}', '{"t": ""}', '{"t": "x/y"}', '{"t": {"tenant": "acme"}}'),
    '{"t": {"tenant": "acme", "scopes": "read"}}',
    '{"t": {"tenant": "acme", "scopes": ["fly"]}}',
    '{"t": {"tenant": "acme", "scopes": [["read"]]}}',
    '{"t": {"tenant": 1, "scopes": []}}',
    '{"t": {"tenant": "acme", "scopes": [], "admin": true}}',
]


@pytest.mark.parametrize("content", BAD)
def test_a_bad_file_is_named_and_no_token_of_it(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE") as refused:
        loaded(tmp_path, content.replace('"t"', '"s3cret"'))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        '{"s3cret": {"tenant": "acme", "scopes": ["admin"]}, "s3cret": "acme"}',
        '{"s3cret": {"tenant": "acme", "scopes": ["read"], "scopes": ["admin"]}}',
    ],
)
def test_what_is_there_twice_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_TOKENS_FILE.*twice") as refused:
        loaded(tmp_path, content)
    assert "s3cret" not in str(refused.value)


def test_a_file_without_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_TOKENS_FILE.*no token in it"):
        loaded(tmp_path, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE"):
        StaticTokens.load(tmp_path / "nowhere.json")
