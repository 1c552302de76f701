"""What must not be suggested to anybody, in several languages, and what must not be mistaken for it."""

import time
from pathlib import Path

import pytest

from attune.knowledge_store.personal_data import personal_data
from attune.services.runtime.config import ConfigError
from attune.services.suggestion.screening import Screen

PERSONAL = {
    "an e-mail address": [
        "mail ada@example.com",
        "ada\uff20example.com",
        "ADA@EXAMPLE.CO.UK",
        "ada [at] example.org",
        "ada\u200b@exa\u00admple.com",
        "pochta \u0438\u0432\u0430\u043d@\u043f\u043e\u0447\u0442\u0430.\u0440\u0444",
        "user@m\u00fcnchen.de",
        "john dot doe at example dot com",
        "ada at example dot co dot uk",
        "ada (at) example (dot) org",
        "ada[at]example[dot]org",
        "ada @ example dot com",
        "ada dot king at example dot net",
        "john.doe at gmail.com",
        "jdoe99 at yahoo.de",
    ],
    "a URL with a credential": [
        "ftp://bob:pw@host/x",
        "https://x.com/?access_token=abcd1234",
        "x.com/a?k=1&sid=12ab34",
    ],
    "a password or key": [
        "alice:hunter2",
        "password: swordfish",
        "Contrase\u00f1a: secreto",
        "mot de passe : soleil",
        "\u043f\u0430\u0440\u043e\u043b\u044c: qwerty",
        "\u5bc6\u7801:abc123",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "550e8400-e29b-41d4-a716-446655440000",
        "password is hunter2",
        "my wifi password for home is hunter2",
        "the passcode was 8841",
        "mein Passwort lautet geheim123",
        "mon mot de passe est soleil22",
        "mi contrase\u00f1a es secreto1",
        "\u043c\u043e\u0439 \u043f\u0430\u0440\u043e\u043b\u044c \u044d\u0442\u043e qwerty1",
        "\u6211\u7684 \u5bc6\u7801\u662fabc123",
        "api key is 1f3c9a",
        "my pin is 1234",
        "pin code: 0815",
        "my pin 1234",
        "1234 is my pin",
        "hunter2 is my password",
        "user bob password hunter2",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAIOSFODNNAEXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
        "glpat-aBcDeFgHiJ1LmNoPqRsT",
        "xoxb-17653672481-abc",
        "sk-proj-aBcD1fGhIjKlMnOpQrStUv",
        "sk_live_aBcDeFgHiJkLmNoPqR",
        "eyJhbGciOiJub25l.eyJzdWIiOiJhZGEi",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
    ],
    "an IP address": ["trace 8.8.4.4", "2001:4860:4860::8888"],
    "a bank account number": [
        "DE89 3704 0044 0532 0130 00",
        "gb29nwbk60161331926819 please",
        "iban fr1420041010050500013m02606",
    ],
    "a card number": ["4111 1111 1111 1111", "card 5500-0000-0000-0004", "378282246310005"],
    "a phone number": ["+49 30 1234567", "0044 20 7946 0958", "555-1234"],
    "a long number": [
        "call 555-123-4567",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "my ssn 078-05-1120",
        "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669",
        "\uff10\uff13\uff0d\uff11\uff12\uff13\uff14\uff0d\uff15\uff16\uff17\uff18",
        "\u096f\u096e\u096d\u096c\u096b \u096a\u0969\u0968\u0967\u0966",
    ],
}
HARMLESS = [
    "",
    "python 3.11 release",
    "2026-11-29",
    "1939 1945",
    "compare 2019 2020 2021",
    "192.168.1.1 login",
    "127.0.0.1",
    "std::vector",
    "std::unordered_map::at",
    "site:example.com",
    "python:3.11-slim image",
    "windows 10.0.19041.1",
    "how to hash a password",
    "password manager",
    "reset password",
    "my password is incorrect",
    "my password is not working",
    "my password was stolen",
    "why is my password expired",
    "password is sha256 hashed",
    "token is 1024 bits",
    "what is a pin code",
    "pin 1156 bulb",
    "gpio pin is high",
    "secret is out",
    "login page password reset",
    "python at example",
    "jobs at microsoft dot net",
    "meet at red dot in singapore",
    "scalar dot product at work",
    "node.js at github.com",
    "sign in at gmail.com",
    "asia pacific economic cooperation",
    "sk-1000-drum-machine-review",
    "begin rsa private key format",
    "snake_case_variable_names_in_python",
    "token ring",
    "iphone 15 pro vs 14",
    "2 + 2 = 4",
    "12:30:45",
    "8 000 000 inhabitants",
    "covid-19",
    "gpt-4-turbo-preview-of-2024-review",
    "internationalization-localization-checklist",
    "\u5317\u4eac 2008 \u5965\u8fd0\u4f1a",
    "\u0645\u0627 \u0647\u064a \u0627\u0644\u0623\u0639\u062f\u0627\u062f \u0661\u0662\u0663",
]


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_found_and_named(reason: str, text: str) -> None:
    assert Screen().reason(text) == reason
    assert not Screen().allows(text)
    assert not Screen().allows(f"who is {text} really")


@pytest.mark.parametrize(
    "text",
    [
        "my password is swordfish",
        "Our wifi password is CorrectHorse",
        "my password for home is swordfish",
        "mein passwort ist geheim",
    ],
)
def test_a_password_is_told_where_nothing_follows_it(text: str) -> None:
    assert Screen().reason(text) == "a password or key"
    assert Screen().allows(f"{text} or something")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_allowed(text: str) -> None:
    assert Screen().reason(text) is None
    assert Screen().allows(text)


@pytest.mark.parametrize("denied", ["Bad Word", "bad\u00a0word", "  bad  word "])
@pytest.mark.parametrize(
    "text", ["a bad word here", "BAD WORD", "b\u200bad w\u00adord", "\uff42\uff41\uff44 \uff57ord", "(bad-word)"]
)
def test_a_denied_phrase_is_found_however_it_is_written(denied: str, text: str) -> None:
    assert Screen([denied]).reason(text) == "a word of the denylist"


@pytest.mark.parametrize(
    ("denied", "text"),
    [
        ("pen", "pen\u0303a"),
        ("pen", "pe\u00f1a"),
        ("ass", "assistant class"),
        ("bad word", "bad words"),
        ("\u0442\u0435", "\u0442\u0435\u0441\u0442"),
    ],
)
def test_a_denied_word_is_not_found_in_another_word(denied: str, text: str) -> None:
    assert Screen([denied]).allows(text)


@pytest.mark.parametrize(
    ("denied", "text"),
    [
        ("\u70b8\u5f39", "\u5982\u4f55\u505a\u70b8\u5f39"),
        (
            "\u0e23\u0e30\u0e40\u0e1a\u0e34\u0e14",
            "\u0e17\u0e33\u0e23\u0e30\u0e40\u0e1a\u0e34\u0e14\u0e22\u0e31\u0e07\u0e44\u0e07",
        ),
    ],
)
def test_in_scripts_without_spaces_it_is_found_anywhere(denied: str, text: str) -> None:
    assert not Screen([denied]).allows(text)


def test_a_file_has_a_phrase_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "denied.txt"
    file.write_bytes("\ufeff# ours\n\nb\u00f6se\r\n  two words\n#two\n".encode())
    screen = Screen.load(file)
    assert [screen.allows(each) for each in ("B\u00d6SE", "these two words", "two", "ours")] == [
        False,
        False,
        True,
        True,
    ]
    assert Screen.load(None).allows("two words")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"fine\n---\n", "line 2: there is no letter or digit in it"),
        (b"fine\n\xff\xfe\n", "line 2: not UTF-8"),
        (b"x" * 300, "line 1: longer than 256 characters"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, content: bytes, named: str) -> None:
    file = tmp_path / "denied.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=named) as raised:
        Screen.load(file)
    assert str(file) in str(raised.value)
    assert "ATTUNE_DENYLIST_PATH" in str(raised.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_DENYLIST_PATH: .*nowhere cannot be read"):
        Screen.load(tmp_path / "nowhere")


NASTY = [
    "a",
    "9",
    "@",
    "a-",
    "1.",
    "a1:",
    "ab12 ",
    ":",
    "?token",
    "a@b.",
    "(",
    "f:",
    "+1 ",
    "a (at",
    "://",
    "4111-",
    "\u00e9",
    "a dot ",
    "a at a dot ",
    "eyj-",
    "password is ",
    "my a password for ",
    "password for a is a",
    "sk-",
    "user a password ",
    "-----begin a ",
    "a1 is my ",
    "akia",
    "a.a at ",
]


@pytest.mark.parametrize("piece", NASTY)
def test_the_patterns_are_linear(piece: str) -> None:
    """1 MB takes seconds at most; a quadratic pattern would take hours."""
    text = piece * ((1 << 20) // len(piece.encode()))
    started = time.process_time()
    personal_data(text + "1")
    assert time.process_time() - started < 60


def test_a_text_longer_than_any_query_is_not_read() -> None:
    assert Screen().reason("a" * (1 << 20)) == "more text than a query has"
