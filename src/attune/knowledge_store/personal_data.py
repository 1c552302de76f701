"""Texts that may tell of a person: patterns for what identifies somebody or lets somebody in.

They are few, and rather find too much than too little: a suggestion that is left out is missed by nobody. Names of
people and addresses of houses are not found; that nothing is counted of few users is what protects these.

Each pattern is anchored at a rare character or at the start of a run, and its repetitions are bounded or can be read in
one way only, so that the time is linear in the text.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from attune.knowledge_store.credentials import CREDENTIALS, TELLING

_TELLING = re.compile(rf"[\d@:=]|[(\[]at[)\]]|[ (\[]dot[ )\]]| at \w{{1,16}}\.|{TELLING}")
_EMAIL = re.compile(r"(?:(?<=[\w.+%\-])@|[(\[]at[)\]] ?)(?:[\w\-]{1,63}\.){1,8}[^\W\d]{2,24}")
_AT = r"(?: ?[(\[]at[)\]] ?| ?@ ?| at )"
_DOT = r"(?: ?[(\[]dot[)\]] ?| dot )"
_ENDINGS = "com|org|edu|gov|info|biz|io|co|uk|ca|au|nz|ie|de|ch|fr|es|nl|se|dk|fi|pl|cz|pt|br|jp|eu|ru"
_MORE_ENDINGS = rf"{_ENDINGS}|net|me|us|it|at|be|no|in"  # words of English, and "microsoft dot net", as well
_SPELLED_EMAIL = re.compile(
    rf"(?<!\w)[\w\-]{{1,64}}(?:{_AT}(?:[\w\-]{{1,63}}{_DOT}){{1,4}}(?:{_ENDINGS})"
    rf"|(?:{_DOT}[\w\-]{{1,64}}){{1,3}}{_AT}(?:[\w\-]{{1,63}}{_DOT}){{1,4}}(?:{_MORE_ENDINGS}))(?!\w)"
)
_HALF_SPELLED_EMAIL = re.compile(
    r"(?<![\w.])(?:[\w\-]{1,64}[._][\w.\-]{1,64}|[^\W\d_]{2,64}\d{2,8}) at (?:gmail|googlemail|hotmail|outlook|live|msn"
    r"|yahoo|ymail|aol|icloud|gmx|web|protonmail|proton|qq|163|yandex)\.[a-z]{2,4}(?!\w)"
)
_URL_WITH_USER = re.compile(r"://[^\s/?#@]{1,256}@")
_TOKEN_IN_URL = re.compile(
    r"[?&#;][\w\-]{0,32}(?:token|key|secret|passw|pwd|auth|session|sid|sig|code)[\w\-]{0,32}=[^\s&#]{4}"
)
_DIGITS = re.compile(r"(?<!\d)\+?\(?\d(?:[ .()/\-]{0,3}\d){6,}")
_LOCAL_PHONE = re.compile(r"\d{3}[ .\-]\d{4}")
_GROUP = re.compile(r"\d+")
_VERSION = re.compile(r"(?=.*\b\d\b)\d+(?:\.\d+)+")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_LONG_NUMBER = 9
_CARD = range(13, 20)
_IBAN = re.compile(r"(?<![a-z\d])[a-z]{2}\d{2}(?: ?[a-z\d]){11,30}")
_IBAN_LENGTHS = range(15, 35)
_IBAN_DIGITS = 10
_ADDRESS = re.compile(r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|(?=[\da-f]{0,4}:)[\da-f:]{3,39})(?![\w:]|\.\d)")


def personal_data(folded: str) -> str | None:
    """What in a text may tell of a person, such as "an e-mail address"; None where nothing does.

    `folded` is the text as normalization.py folds it: without wide and invisible characters, in small letters.
    """
    if not folded.isascii():
        folded = "".join(map(_ascii_digit, unicodedata.normalize("NFC", folded)))
    if not _TELLING.search(folded):
        return None
    return next((name for name, is_in in _KINDS if is_in(folded)), None)


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def _has_card(text: str) -> bool:
    return any(len(digits) in _CARD and _luhn(digits) for digits, _ in _numbers(text))


def _has_phone(text: str) -> bool:
    return any(
        written.startswith(("+", "00")) or (len(digits) == 7 and _LOCAL_PHONE.fullmatch(written.strip("(")))
        for digits, written in _numbers(text)
    )


def _has_long_number(text: str) -> bool:
    return any(len(digits) >= _LONG_NUMBER for digits, _ in _numbers(text))


def _numbers(text: str) -> Iterator[tuple[str, str]]:
    """Seven digits or more with little between them: the digits, and as they are written. Neither years nor versions,
    such as 10.0.19041.1.
    """
    for match in _DIGITS.finditer(text):
        written = match.group()
        groups = _GROUP.findall(written)
        if not all(map(_YEAR.fullmatch, groups)) and not _VERSION.fullmatch(written):
            yield "".join(groups), written


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (2 * int(each) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 if each > 9 else each for each in doubled)) % 10 == 0


def _has_iban(text: str) -> bool:
    return any(_is_iban(match.group().replace(" ", "")) for match in _IBAN.finditer(text))


def _is_iban(compact: str) -> bool:
    """Whether it begins with one (ISO 13616: the number modulo 97 is 1): words may follow without a boundary."""
    return any(
        int("".join(str(int(each, 36)) for each in compact[4:length] + compact[:4])) % 97 == 1
        for length in _IBAN_LENGTHS
        if length <= len(compact) and sum(map(str.isdigit, compact[:length])) >= _IBAN_DIGITS
    )


def _has_address(text: str) -> bool:
    return any(_is_public(match.group()) for match in _ADDRESS.finditer(text))


def _is_public(address: str) -> bool:
    """Everybody's 192.168.1.1 tells of nobody."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _found(*patterns: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: any(pattern.search(text) for pattern in patterns)


_KINDS: Sequence[tuple[str, Callable[[str], bool]]] = (
    ("an e-mail address", _found(_EMAIL, _SPELLED_EMAIL, _HALF_SPELLED_EMAIL)),
    ("a URL with a credential", _found(_URL_WITH_USER, _TOKEN_IN_URL)),
    ("a bank account number", _has_iban),
    ("a password or key", _found(*CREDENTIALS)),
    ("an IP address", _has_address),
    ("a card number", _has_card),
    ("a phone number", _has_phone),
    ("a long number", _has_long_number),
)
