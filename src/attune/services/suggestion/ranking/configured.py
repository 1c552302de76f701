"""The ranker that a service is configured with."""

from attune.services.runtime.config import Config, ConfigError
from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.model import RankerModel


def configured_ranker(config: Config) -> RankerModel:
    """The one of ATTUNE_RANKER_PATH, or the packaged one. Raises ConfigError where it cannot be used."""
    try:
        return RankerModel.load(config.ranker_path)
    except RankerError as error:
        raise ConfigError(f"ATTUNE_RANKER_PATH: {error}") from None
