"""Secrets that are in files."""

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from attune.services.runtime.config.errors import ConfigError

PREFIX = "ATTUNE_"


class SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret ATTUNE_X from the file that ATTUNE_X_FILE names: an environment is seen by too many."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file, without the line's end; None where no file is named."""
        setting = f"{PREFIX}{field_name.upper()}"
        named = os.environ.get(f"{setting}_FILE", "") if field.annotation is SecretStr else ""
        if not named:
            return None, field_name, False
        if os.environ.get(setting):
            raise ConfigError(f"{setting} and {setting}_FILE are both set: set one of them")
        try:
            content = Path(named).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{setting}_FILE ({named}) cannot be read, or is not text in UTF-8") from error
        if not content:
            raise ConfigError(f"{setting}_FILE ({named}) is empty")
        return content, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All secrets that are in files."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}
