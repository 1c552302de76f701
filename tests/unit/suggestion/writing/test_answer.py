"""An answer is unfolded alike however it is cut, and nothing that is not in it comes out."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.suggestion.writing.answer import Unfolding, grammar, schema

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def unfolded(pieces: list[str]) -> tuple[list[object], bool, str]:
    reading = Unfolding()
    items = [item for piece in pieces for item in reading.feed(piece)]
    reading.end()
    return items, reading.is_whole, reading.problem


@st.composite
def cuts(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=20)) | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


@given(st.lists(VALUES, max_size=5), st.data())
def test_any_cut_of_a_whole_answer_gives_its_items(items: list[object], data: st.DataObject) -> None:
    text = json.dumps({"suggestions": items}, ensure_ascii=False)
    assert unfolded(data.draw(cuts(text))) == (items, True, "")


@given(st.lists(VALUES, max_size=4), st.integers(min_value=0), st.data())
def test_of_a_broken_answer_any_cut_gives_the_items_that_are_whole(
    items: list[object], length: int, data: st.DataObject
) -> None:
    text = json.dumps({"suggestions": items})[:length]
    found, is_whole, problem = unfolded(data.draw(cuts(text)))
    assert found == unfolded([text])[0] == items[: len(found)]
    assert is_whole or problem


@given(st.text(alphabet='{}[]",:\\ \nsugestion`0aé', max_size=200), st.booleans(), st.data())
def test_any_text_is_read_the_same_however_it_is_cut(text: str, opened: bool, data: st.DataObject) -> None:
    whole = '{"suggestions": [' + text if opened else text
    assert unfolded(data.draw(cuts(whole))) == unfolded(list(whole)) == unfolded([whole])


@pytest.mark.parametrize("opening", ["\n  ", "```json\n", "```\n"])
def test_white_space_and_a_fence_may_stand_before(opening: str) -> None:
    assert unfolded([opening + '{ "suggestions" : [ 1 , "a" ] }```']) == ([1, "a"], True, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Sure! {", "does not begin with"),
        (" " * 2000 + '{"suggestions": []}', "does not begin with"),
        ('{"suggestions": [{"query": "a"} {', "commas"),
        ('{"suggestions": [' + "[" * 3000, "nested too deeply"),
        ('{"suggestions": ["' + "a" * 5000, "too long"),
        ('{"suggestions": [{"query"', "cut off"),
    ],
)
def test_what_is_wrong_is_told(text: str, problem: str) -> None:
    assert problem in unfolded([text])[2]


def test_schema_and_grammar_hold_the_limit() -> None:
    assert schema(7)["properties"]["suggestions"]["maxItems"] == 7
    assert grammar(3).splitlines()[0] == r'root ::= query "\", \"" query "\", \"" query "\"]}"'
