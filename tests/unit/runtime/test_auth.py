"""Credentials: the tenant comes from the token, and a bad token file is refused at the start."""

from pathlib import Path

import pytest

from attune.services.runtime.auth import Credentials
from attune.services.runtime.config import ConfigError
from attune.services.runtime.errors import ServiceError


def credentials(tmp_path: Path, content: str) -> Credentials:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    return Credentials.load(path)


def test_without_a_token_file_everybody_is_the_default_tenant() -> None:
    assert Credentials.load(None).tenant("") == "default"


def test_a_token_stands_for_its_tenant(tmp_path: Path) -> None:
    known = credentials(tmp_path, '{"s3cret": "acme", "other": "globex"}')
    assert known.tenant("Bearer s3cret") == "acme"
    assert known.tenant("bearer other") == "globex"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic s3cret", "s3cret"])
def test_anything_else_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(ServiceError, match="authorization") as refused:
        credentials(tmp_path, '{"s3cret": "acme"}').tenant(header)
    assert refused.value.code.name == "UNAUTHENTICATED"


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": ""}', "{", '{"a": "x/y"}'])
def test_a_bad_token_file_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE"):
        credentials(tmp_path, content)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE"):
        Credentials.load(tmp_path / "nowhere.json")
