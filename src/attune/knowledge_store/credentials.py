"""Texts that let somebody in: passwords, PINs and keys, named as such or known by their form.

Passwords are read as they are typed ("password: x") and as they are told ("my password is x"). Many ask about passwords
without telling one, so what is told must have a digit, or be all that follows on "my password is" and no word for how a
password is doing. Keys are known by what their issuers have them begin with, as scanners of source code know them.
"""

import re


def _one_of(*words: str) -> str:
    return f"(?:{'|'.join(map(re.escape, words))})"


_PASSWORDS = _one_of(
    *("password", "passwd", "pwd", "passphrase", "passcode", "passwort", "kennwort", "mot de passe"),
    *("contrase\u00f1a", "senha", "wachtwoord", "has\u0142o", "\u043f\u0430\u0440\u043e\u043b\u044c", "\u5bc6\u7801"),
    *("\u5bc6\u78bc", "\u30d1\u30b9\u30ef\u30fc\u30c9", "\u0643\u0644\u0645\u0629 \u0627\u0644\u0633\u0631"),
)
_SECRETS = rf"(?:{_PASSWORDS}|{_one_of('clave', 'parola', 'api key', 'api_key', 'apikey', 'secret', 'token')})"
_PINS = _one_of("pin", "pincode", "pin code", "pin number", "geheimzahl", "otp", "cvv", "cvv2", "cvc", "cvc2")
_MY = _one_of(
    *("my", "our", "his", "her", "their", "mein", "unser", "mon", "notre", "mi", "mia", "minha", "mijn", "moje"),
    "\u043c\u043e\u0439",
)
_ARE = _one_of("is", "was", "ist", "war", "lautet", "est", "es", "era", "\u00e9", "\u00e8", "\u044d\u0442\u043e")
_OF_WHAT = r"(?:\s(?:for|of|to|on|f\u00fcr|pour|para|per)\s\S{1,32})?"
_IS = rf"{_OF_WHAT}(?:\s?[:=]\s?|\s{_ARE}\s|\s?[\u662f\u306f]\s?)"
_WITH_DIGIT = r"(?=\S{0,64}\d)\S{4}"
_ABOUT_ITS_FORM = (
    r"(?:sha|md|base|utf|ascii|oauth)[\-_]?\d|\d+[\s\-](?:bits?|bytes?|char|digit|letter|hour|day|week|month|year)"
)
_STATES = _one_of(
    *("still", "always", "never", "wrong", "right", "correct", "incorrect", "valid", "invalid", "weak", "strong"),
    *("safe", "unsafe", "secure", "insecure", "same", "different", "unknown", "lost", "gone", "blank", "empty", "long"),
    *("short", "case-sensitive", "what", "where", "this", "that", "there", "public", "private"),
)

_TYPED = re.compile(rf"(?<!\w){_SECRETS}\s?[:=]\s?\S{{3}}")
_TOLD = re.compile(rf"(?<!\w){_SECRETS}{_IS}(?!{_ABOUT_ITS_FORM}){_WITH_DIGIT}")
_TOLD_WORD = re.compile(
    rf"(?<!\w){_MY}\s(?:\w{{1,16}}\s)?{_PASSWORDS}{_OF_WHAT}\s{_ARE}\s"
    rf"(?!(?:{_STATES}|\S{{0,64}}(?:ed|ing|en|able|ible))\W*\Z)\S{{4,64}}\Z"
)
_TOLD_PIN = re.compile(rf"(?<!\w)(?:{_PINS}{_IS}|{_MY}\s(?:\w{{1,16}}\s)?{_PINS}\s)\d{{3,8}}(?!\w)")
_TOLD_BEFORE = re.compile(
    rf"(?<!\S)(?=\D{{0,64}}\d)\S{{3,64}}\s{_ARE}\s{_MY}\s(?:\w{{1,16}}\s)?(?:{_PASSWORDS}|{_PINS})"
)
_AFTER_A_NAME = re.compile(rf"(?<!\w)(?:user(?:name)?|login|benutzer)\s\S{{1,64}}\s{_PASSWORDS}\s{_WITH_DIGIT}")
_PAIR = re.compile(r"(?<!\S)[\w.+\-]{2,64}:(?=\D{0,64}\d)(?=[^a-z]{0,64}[a-z])[^\s:/.\-]{6,64}(?!\S)")
_LONG = re.compile(r"(?<!\w)(?=[^\W\d]*\d)\w{24,}|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}")
_ISSUED = re.compile(
    r"(?<![^\W_])(?:(?:akia|agpa|aida|aroa)[a-z2-7]{16}(?!\w)|asia(?=[a-z]{0,15}[2-7])[a-z2-7]{16}(?!\w)"  # AWS
    r"|gh[oprsu]_\w{20}|github_pat_\w{20}|glpat-[\w\-]{20}|xox[abeoprs]-[\w\-]{10}|hf_\w{30}|npm_\w{30}"
    r"|sk-(?:[a-z]{2,8}\d{0,2}-){0,2}(?=[a-z_]{0,19}\d)\w{20}|[rs]k_(?:live|test)_\w{16}|aiza[\w\-]{30}"
    r"|eyj[\w\-]{8,512}\.eyj[\w\-]{8})"  # JSON Web Tokens
)
_PRIVATE_KEY = re.compile(r"-----begin (?:[a-z\d]{1,16} ){0,3}private key")
CREDENTIALS = (_TYPED, _TOLD, _TOLD_WORD, _TOLD_PIN, _TOLD_BEFORE, _AFTER_A_NAME, _PAIR, _LONG, _ISSUED, _PRIVATE_KEY)
"""One of them matches in a text, in small letters, that has a password, PIN or key."""

TELLING = rf"-----begin|_\w{{16}}|eyj|akia|{_PASSWORDS}{_OF_WHAT}\s{_ARE}\s"
"""Matches in what has a credential though no digit, colon or equals sign."""
