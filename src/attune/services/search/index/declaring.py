"""The declaration of filter fields, as configured."""

from attune.services.runtime.config import Config, ConfigError
from attune.services.search.index.fields import DeclaredFields, FieldDeclarationError


def declared_fields(config: Config) -> DeclaredFields:
    """What searches can be filtered by. Raises ConfigError where the declaration is wrong."""
    try:
        return DeclaredFields.parse(config.search_fields)
    except FieldDeclarationError as error:
        raise ConfigError(f"ATTUNE_SEARCH_FIELDS: {error}") from error
