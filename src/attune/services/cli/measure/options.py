"""Options of the form NAME=VALUE."""

from attune.embeddings.errors import SettingError


def named(given: str, option: str) -> tuple[str, str]:
    """The name and the value. Raises `SettingError` if one is missing."""
    name, equals, value = given.partition("=")
    if not (name and equals and value):
        raise SettingError(f"{option} {given!r}: write NAME=PATH")
    return name, value
