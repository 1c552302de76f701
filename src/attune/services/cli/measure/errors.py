"""What keeps a measurement from being made."""

from attune.services.runtime.config import ConfigError


class BenchError(ConfigError):
    """The bench was asked for what it cannot measure here: one sentence with the reason and the mend."""
