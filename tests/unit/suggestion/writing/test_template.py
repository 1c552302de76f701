"""A prompt of the user's own is checked when it is read, with the file and the field in the sentence."""

from pathlib import Path

import pytest

from attune.services.runtime.config import ConfigError
from attune.services.suggestion.writing.template import FIELDS, PromptStyle, load_template

GOOD = " ".join(f"{{{name}}}" for name in sorted(FIELDS))


@pytest.mark.parametrize("style", PromptStyle)
def test_ours_are_good(style: PromptStyle, tmp_path: Path) -> None:
    copy = tmp_path / "prompt.txt"
    copy.write_text(load_template(style).text)
    assert load_template(style, copy) == load_template(style)


def test_one_of_the_users_own_is_taken_and_may_have_braces(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(GOOD + ' {{"a": 1}}')
    filled = load_template(PromptStyle.CHAT, file).filled(dict.fromkeys(FIELDS, "{query}"))
    assert filled == " ".join(["{query}"] * len(FIELDS)) + ' {"a": 1}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + " {history}", r"mine\.txt has the unknown field \{history\}"),
        (GOOD + " {query!r}", r"unknown field \{query\}"),
        (GOOD + " {query.__class__}", r"unknown field \{query\.__class__\}"),
        (GOOD + " {0}", r"unknown field \{0\}"),
        (GOOD.replace("{session}", "").replace("{limit}", ""), r"mine\.txt lacks \{limit\}, \{session\}"),
        (GOOD + " {", "single brace"),
    ],
)
def test_an_unusable_one_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_template(PromptStyle.CHAT, file)


def test_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_SUGGESTION_PROMPT_PATH: .*nowhere"):
        load_template(PromptStyle.CHAT, tmp_path / "nowhere.txt")
