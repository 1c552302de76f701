"""The one place that reads the environment. Every setting is ATTUNE_<NAME>; the README lists them from here.

A file for each part of the system has its settings; a process has them all.
"""

from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from attune.services.runtime.config.calls import CallSettings
from attune.services.runtime.config.embedding import EmbeddingSettings
from attune.services.runtime.config.errors import ConfigError
from attune.services.runtime.config.event_log import EventLogSettings
from attune.services.runtime.config.index import IndexSettings
from attune.services.runtime.config.knowledge import KnowledgeSettings
from attune.services.runtime.config.language_model import LanguageModelSettings
from attune.services.runtime.config.process import ProcessSettings
from attune.services.runtime.config.roles import RoleName
from attune.services.runtime.config.search import SearchSettings
from attune.services.runtime.config.secret_files import PREFIX, SecretFiles
from attune.services.runtime.config.security import SecuritySettings
from attune.services.runtime.config.suggestion import SuggestionSettings

__all__ = ["Config", "ConfigError", "RoleName"]


class Config(  # pydantic takes the fields of the last base first: read upwards, this is the order of the README
    LanguageModelSettings,
    SuggestionSettings,
    SearchSettings,
    IndexSettings,
    KnowledgeSettings,
    EventLogSettings,
    EmbeddingSettings,
    CallSettings,
    SecuritySettings,
    ProcessSettings,
    BaseSettings,
):
    """Settings of one process. A secret ATTUNE_X may be in a file that ATTUNE_X_FILE names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, allow_inf_nan=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, the first that has one: a caller, the environment, files that it names."""
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls), file_secret_settings

    def port(self, role: RoleName) -> int:
        """The port that a role listens on."""
        return {
            RoleName.EMBEDDING: self.embedding_port,
            RoleName.KNOWLEDGE: self.knowledge_port,
            RoleName.INGEST: self.ingest_port,
            RoleName.SUGGESTION: self.suggestion_port,
            RoleName.SEARCH: self.search_port,
        }[role]

    def address(self, role: RoleName) -> str:
        """Where other services find a role."""
        given = {
            RoleName.EMBEDDING: self.embedding_address,
            RoleName.KNOWLEDGE: self.knowledge_address,
            RoleName.SUGGESTION: self.suggestion_address,
            RoleName.SEARCH: self.search_address,
        }
        return given.get(role) or f"{self.host}:{self.port(role)}"

    def at_address(self, role: RoleName, address: str) -> "Config":
        """The same settings, with a role found at `address`."""
        return self.model_copy(update={f"{role}_address": address})

    @property
    def catalog(self) -> Path:
        """The file that the catalog of entities is read from."""
        return self.catalog_path or self.data_dir / "catalog.jsonl"

    @property
    def queries(self) -> Path:
        """The directory of the counted queries."""
        return self.queries_dir or self.data_dir / "queries"
