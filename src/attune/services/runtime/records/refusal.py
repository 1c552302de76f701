"""Why a record is refused: a code for programs and a sentence for people, neither with anything of its content."""

from enum import StrEnum


class Reason(StrEnum):
    """The kinds of refusal. The names are part of the contract of the dead-letter topic."""

    MALFORMED = "malformed"
    """The value cannot be decoded."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """It says to be something that this version does not know, and is not guessed at."""
    CONFLICT = "conflict"
    """The key, the headers and the event contradict each other."""
    INVALID = "invalid"
    """A rule of the contract is broken; the sentence names the field."""
    TOO_LARGE = "too_large"
    """Key, value and headers have more than ATTUNE_MAX_EVENT_BYTES."""
    UNKNOWN_TENANT = "unknown_tenant"
    """ATTUNE_TOKENS_FILE names tenants, and this is none of them."""


class InvalidRecordError(Exception):
    """A record of the log that is not what its topic holds; the message says why, without any of its content."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
