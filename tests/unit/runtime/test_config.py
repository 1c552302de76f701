"""Configuration: environment in, addresses out."""

import pytest
from pydantic import ValidationError

from attune.services.runtime.config import Config, RoleName


def test_defaults_need_no_environment() -> None:
    config = Config(_env_file=None)
    assert config.address(RoleName.EMBEDDING) == "127.0.0.1:50051"
    assert config.catalog.name == "catalog.jsonl"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SEARCH_PORT", "6000")
    monkeypatch.setenv("ATTUNE_EMBEDDING_ADDRESS", "embedding.example:443")
    config = Config()
    assert config.address(RoleName.SEARCH) == "127.0.0.1:6000"
    assert config.address(RoleName.EMBEDDING) == "embedding.example:443"


def test_a_role_that_moved_is_found_at_its_new_address() -> None:
    moved = Config().at_address(RoleName.KNOWLEDGE, "10.0.0.1:9")
    assert moved.address(RoleName.KNOWLEDGE) == "10.0.0.1:9"


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEARCH_PORT", "70000"), ("PRECISION", "int1"), ("DRAIN_S", "-1"), ("CONSENT_DEFAULT", "maybe")],
)
def test_a_bad_value_names_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ATTUNE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Config()


def test_the_api_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_LLM_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(Config())
