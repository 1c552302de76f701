"""What is raised where a setting is wrong."""


class ConfigError(Exception):
    """A setting or a file it names is wrong; the message says which and how to mend it."""
