import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import untimed

from attune.knowledge_store.normalization import normalize, normalize_name

marks = st.sampled_from("\u064b\u0651\u0301\u0308\u0323\u0345\u05b8\u0942\u3099")
tricky = st.text(
    st.one_of(
        marks,
        st.sampled_from("aAeE ßİıſ\t\n\0\u00a0ﬁÅǅ가각\u1100\u1161\u200d\u200e\u202eשלוםعربي"),  # noqa: RUF001 - other scripts are the point
        st.characters(),
    )
)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ASYNCIO", "asyncio"),
        ("Straße", "STRASSE"),
        ("ﬁle", "File"),
        ("caf\u00e9", "cafe\u0301"),
        ("os.path", "os.path"),
        ("a \t\n b", "A\u00a0b"),
        ("full\uff37idth", "fullwidth"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\u200fשלום\u200e", "שלום"),  # noqa: RUF001 - other scripts are the point
        ("\uac01", "\u1100\u1161\u11a8"),
        ("a\u0323\u0301", "a\u0301\u0323"),
        (
            "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
            "\u0645\u062d\u0645\u062f",
        ),  # vowel signs, and a doubled letter
        ("\u0645\u062d\u0640\u0640\u0645\u0640\u064e\u062f", "\u0645\u062d\u0645\u062f"),  # stretched
    ],
)
def test_names_that_readers_take_for_the_same_are_the_same(text, same):
    assert normalize_name(text) == normalize_name(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("resume", "résumé"),
        ("\u0622\u0645", "\u0627\u0645"),
        ("\u0623\u0645", "\u0627\u0645"),
        ("c", "c++"),
        ("os.path", "os path"),
        ("a_b", "ab"),
    ],
)
def test_names_that_differ_stay_different(text, other):
    assert normalize_name(text) != normalize_name(other)


@untimed
@given(tricky)
@example("x" * 5 + "\u0301" * 40)
def test_every_character_points_into_the_original_in_order(text):
    normalized = normalize(text)
    assert len(normalized.text) == len(normalized.starts) == len(normalized.ends)
    assert list(normalized.starts) == sorted(normalized.starts)
    assert list(normalized.ends) == sorted(normalized.ends)
    for start, end in zip(normalized.starts, normalized.ends, strict=True):
        assert 0 <= start < end <= len(text)


def is_lone_accent(character: str) -> bool:
    return not character.isspace() and unicodedata.normalize("NFKD", character).startswith(" ")


@untimed
# Longer runs of marks are cut, and accents that stand alone, such as "¯", become a space and a mark.
@given(tricky.filter(lambda text: len(text) < 25 and not any(is_lone_accent(character) for character in text)))
@example("a\u0301\u200d\u0323")
@example("\u0301\uff9e")
@example("a\u0301\u0640\u0323")
def test_normalizing_twice_changes_nothing(text):
    once = normalize(text).text
    assert normalize(once).text == once


def caseless(text: str) -> str:
    """Unicode 3.13 D146 over the whole text at once."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKD", text.casefold())


@untimed
@given(
    st.text(st.one_of(st.sampled_from("aAeßİﬁÅ가\u1100\u1161é"), st.sampled_from("\u0301\u0308\u0323")), max_size=12)
)
def test_piece_by_piece_is_the_same_as_all_at_once(text):
    assert normalize(text).text == caseless(text)


@untimed
@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))), st.text(st.characters(codec="ascii")))
def test_the_ascii_shortcut_gives_what_the_long_way_gives(text, tail):
    quick, slow = normalize(f"{text} {tail}"), normalize(f"{text} {tail}é")
    assert slow.text.startswith(quick.text)
    assert list(slow.starts)[: len(quick.text) - 1] == list(quick.starts)[:-1]


def test_spans_lead_back_to_the_original_characters():
    stretched = "\u0645\u062d\u0640\u0640\u0645\u0640\u064e\u062f"
    assert normalize(f"x {stretched} y").original_span(2, 6) == (2, 2 + len(stretched))
    text = "Die  Straße\u0301 heißt"
    normalized = normalize(text)
    start = normalized.text.index("strasse")
    found = normalized.original_span(start, start + len("strasse"))
    assert text[slice(*found)] == "Straße\u0301"


@pytest.mark.parametrize("unit", ["a", "a\u0301", "\u0301\u0323", "ß ", " \t", "ש", "\0", "\u200d"])
def test_long_texts_take_time_in_proportion(unit):
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        started = time.process_time()
        normalize(text)
        return time.process_time() - started

    seconds(10_000)
    assert seconds(400_000) < 30 * seconds(40_000) + 0.05
