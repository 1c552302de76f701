"""Normalised texts: what cannot be seen makes no other text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.suggestion.known import normalised, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\u202e\u05e9\u05d0\u05dc\u05d4 asyncio", "\u05e9\u05d0\u05dc\u05d4 asyncio"),
        ("\ufeffasyn\x00c", "async"),
        ("soft\u00adly\u200b", "softly"),
        ("a\tb\u00a0c", "a\tb\u00a0c"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f468\u200d\U0001f4bb", "\U0001f468\u200d\U0001f4bb"),
        ("\u200da\u200c\u200d b\u200c", "a b"),
        ("\u200b", ""),
        ("\u200d\u200d", ""),
    ],
)
def test_only_what_is_seen_and_joiners_inside_words_stay(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(st.sampled_from("a \u200c\u200d\u202e\u0130\n\x00")))
def test_a_normalised_text_stays_as_it_is(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
