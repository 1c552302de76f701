"""Moments as logs write them."""

import re
from datetime import UTC, datetime

FORMS = "write YYMMDDhhmmss, seconds since 1970, or ISO 8601 (UTC, if no zone is given)"
_COMPACT = re.compile(r"[0-9]{12}")
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def moment(written: object) -> datetime:
    """The moment, in UTC, of a string or a number.

    Twelve digits are YYMMDDhhmmss, as in Excite's log (69 to 99 are years of the last century); any other number is
    seconds since 1970; all else is ISO 8601.

    Raises:
        ValueError: it is none of them; the message says what to write.
    """
    text = "" if isinstance(written, bool) or written is None else str(written).strip()
    try:
        if _COMPACT.fullmatch(text):
            return datetime.strptime(text, "%y%m%d%H%M%S").replace(tzinfo=UTC)
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"is no time; {FORMS}") from error
