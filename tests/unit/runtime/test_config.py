"""Configuration: environment in, addresses out."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from attune.services.runtime.config import Config, ConfigError, RoleName

SECRETS = [name for name, field in Config.model_fields.items() if field.annotation is SecretStr]


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


FLOATS = [name for name, field in Config.model_fields.items() if field.annotation in (float, float | None)]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "Infinity"])
@pytest.mark.parametrize("name", FLOATS)
def test_a_number_is_finite(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ATTUNE_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Config()


def test_the_api_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_LLM_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(Config())


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    path = tmp_path / "secret"
    path.write_text(" s3cret \n")
    monkeypatch.setenv(f"ATTUNE_{name.upper()}_FILE", str(path))
    assert getattr(Config(), name).get_secret_value() == " s3cret "
    assert "s3cret" not in repr(Config())


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_file_without_a_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("ATTUNE_SERVICE_TOKEN_FILE", str(path))
    with pytest.raises(ConfigError, match="ATTUNE_SERVICE_TOKEN_FILE"):
        Config()


def test_a_secret_is_in_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("one")
    monkeypatch.setenv("ATTUNE_SERVICE_TOKEN_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("ATTUNE_SERVICE_TOKEN", "other")
    with pytest.raises(ConfigError, match="both set"):
        Config()
