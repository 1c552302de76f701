import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import untimed

from attune.knowledge_store.gazetteer import Gazetteer, Pieces, is_boundary
from attune.knowledge_store.normalization import normalize, normalize_name


def found(names: str | list[str], text: str) -> list[str]:
    """The normalised names found; each name is its own entity id."""
    names = names.split() if isinstance(names, str) else names
    matches = Gazetteer(map(normalize_name, names)).find(Pieces.of(normalize(text).text))
    return [match.name for match in matches]


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        ("asyncio asyncio.gather", "asyncio.gather and asyncio", ["asyncio.gather", "asyncio"]),
        ("path os", "import os.path", []),
        ("os", "I use os.", ["os"]),
        ("os", "os... what", ["os"]),
        ("os.path", "Use os.path. Then os.pathx", ["os.path"]),
        ("path", "my_path path_to path", ["path"]),
        ("init __init__", "__init__ is not init", ["__init__", "init"]),
        (".net", "asp.net and .NET", [".net"]),
        ("c++ c", "C++11, c++ and C", ["c++", "c++", "c"]),
        ("go", "going ago go-go (go)", ["go", "go", "go"]),
        ("python", "python3 3python python", ["python"]),
        ("e", "e\u0301 é e", ["e"]),
        ("हिन्दी", "हिन्दीभाषा हिन्दी", ["हिन्दी"]),
        ("שלום", "\u200fשלום\u200e, עולם", ["שלום"]),  # noqa: RUF001 - other scripts are the point
        ("京都大学 京都", "東京都と京都大学で", ["京都", "京都大学"]),
        ("か", "が か", ["か"]),
        ("os", "os\0os", ["os", "os"]),
        ("x", "", []),
    ],
)
def test_names_are_found_at_word_boundaries_only(names, text, expected):
    assert found(names, text) == [normalize(name).text for name in expected]


def test_the_longest_name_wins_and_white_space_is_folded():
    names = ["New York", "York", "New York Times", "Times Square"]
    assert found(names, "the new\n york  TIMES square") == ["new york times"]


def test_a_longer_name_inside_a_word_gives_way_to_a_shorter_one_at_a_boundary():
    assert found(["data class", "data"], "data classes") == ["data"]


def test_a_match_may_start_only_where_it_is_asked_for():
    text = Pieces.of("new york and new york")
    gazetteer = Gazetteer(["new york", "york"])
    assert [(match.start, match.name) for match in gazetteer.find(text, starts={0, 4, 17})] == [
        (0, "new york"),
        (17, "york"),
    ]
    assert gazetteer.find(text, starts={1, 5}) == []  # inside words


@untimed
@given(st.text(st.sampled_from("aZ_1. \u0301\u00e9\u0436\u0e01\u4eac\u0915\u093f\u2019\u05d0\u05b0\n"), max_size=12))
def test_a_text_is_cut_at_its_boundaries(text):
    pieces = Pieces.of(text)
    assert "".join(pieces.texts) == text
    assert pieces.edges == {at for at in range(len(text) + 1) if is_boundary(text, at)}
    assert list(pieces.starts) == sorted(pieces.edges)[:-1]


@pytest.mark.parametrize("names", [[], [""], [" ", "\u200d"], [".", "?!"]])
def test_names_without_letters_are_no_names(names):
    assert found(names, "is it . here ?! ") == []


texts = st.text(st.sampled_from("ab._ \u0301é\0"), max_size=30)


@untimed
@given(st.lists(st.text("ab._ é", min_size=1, max_size=4), max_size=6), texts)
def test_matches_are_what_they_say_in_order_and_apart(names, text):
    normalized = normalize(text)
    end = 0
    for match in Gazetteer(map(normalize_name, names)).find(Pieces.of(normalized.text)):
        assert normalized.text[match.start : match.end] == match.name
        assert match.start >= end
        assert is_boundary(normalized.text, match.start)
        assert is_boundary(normalized.text, match.end)
        end = match.end


@untimed
@given(st.text("ab", min_size=1, max_size=4), texts.map(lambda text: normalize(text).text))
def test_no_occurrence_at_boundaries_is_missed(name, text):
    matches = Gazetteer([name]).find(Pieces.of(normalize(text).text))
    covered = {position for match in matches for position in range(match.start, match.end)}
    for start in range(len(text) - len(name) + 1):
        end = start + len(name)
        if text[start:end] == name and is_boundary(text, start) and is_boundary(text, end):
            assert start in covered
