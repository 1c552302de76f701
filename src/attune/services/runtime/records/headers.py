"""What the headers of a CloudEvent in binary mode say, whatever the topic."""

from collections.abc import Mapping

from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

PROTOBUF = frozenset({"application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"})
JSON = frozenset({"application/json"})

Headers = Mapping[str, bytes]


def headers_of(record: Record) -> Headers:
    """The headers by their names in lower case; the last counts of those with one name."""
    return {name.lower(): content or b"" for name, content in record.headers}


def header(headers: Headers, name: str, errors: str = "replace") -> str:
    """A header's text, empty where there is none.

    Raises:
        InvalidRecordError: it is not UTF-8, and `errors` is "strict".
    """
    try:
        return headers.get(name, b"").decode(errors=errors)
    except UnicodeDecodeError as error:
        raise InvalidRecordError(Reason.MALFORMED, f"{name}: is not UTF-8") from error


def media_type(headers: Headers) -> str:
    """The content type without its parameters; empty where there is none."""
    return header(headers, "content-type").partition(";")[0].strip().lower()


def require_version(headers: Headers) -> None:
    """Raises InvalidRecordError where the record is of another version of CloudEvents than 1.0."""
    if header(headers, "ce_specversion") not in {"", "1.0"}:
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, "ce_specversion: is not 1.0")
