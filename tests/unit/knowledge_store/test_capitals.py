import pytest

from attune.knowledge_store.capitals import Taken, capitals, has_capitals
from attune.knowledge_store.normalization import normalize


@pytest.mark.parametrize(
    ("text", "expected"), [("New York", True), ("new york", False), ("NEW YORK", False), ("", False), ("12", False)]
)
def test_a_text_tells_by_capitals_if_it_has_both_cases(text, expected):
    assert has_capitals(text) is expected


@pytest.mark.parametrize("text", ["aB Cd", "\u00e9 \u00c9a  B", "\ufb01 X"])
def test_the_places_of_capitals_are_those_of_the_normalised_text(text):
    normalized = normalize(text)
    expected = [i for i, start in enumerate(normalized.starts) if text[start].isupper()]
    assert capitals(text, normalized) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the Bob Nardelli case", True),
        ("the Nardelli Foundation", True),
        ("the Nardelli case", False),
        ("The Nardelli case", False),
        ("Mr. Nardelli quit", False),
        ("chief, Nardelli", False),
        ("NARDELLI QUITS", False),
    ],
)
def test_a_name_beside_an_unknown_capitalised_word_is_a_fragment(text, expected):
    start = text.lower().index("nardelli")
    assert Taken([(start, start + 8)]).is_fragment(text, start, start + 8) is expected


def test_a_known_name_beside_it_makes_no_fragment():
    assert not Taken([(0, 9), (10, 18)]).is_fragment("President Nardelli", 10, 18)
