"""A hit's token: what goes in comes out, and what is none is refused."""

from base64 import urlsafe_b64encode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.ranking import token as tokens
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import FEATURES
from attune.services.search.ranking.token import Method, Token

values = st.lists(
    st.one_of(st.just(np.nan), st.floats(-8, 8, width=16)), min_size=len(FEATURES), max_size=len(FEATURES)
).map(lambda listed: np.array(listed, np.float32))


@given(values, st.integers(1, 9), st.sampled_from(Method), st.integers(0, 2))
def test_it_holds_what_it_was_given(values: np.ndarray, position: int, method: Method, team: int) -> None:
    made = Token(position, values, "0123abcd", "00ff00ff", method, team, {position: 0.5, position + 1: 0.25})
    read = Token.decoded(made.encoded())
    np.testing.assert_array_equal(read.values, values)
    assert (read.position, read.first, read.second) == (position, "0123abcd", "00ff00ff")
    assert (read.method, read.team, read.places) == (method, team, made.places)
    assert len(made.encoded()) < 200


def test_features_of_other_versions_are_passed_over_and_new_ones_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Token(1, np.arange(len(FEATURES), dtype=np.float32), "00000000").encoded()
    monkeypatch.setattr(tokens, "FEATURES", FEATURES[2:] + FEATURES[:1])
    monkeypatch.setattr(tokens, "_IDS", {each.id: place for place, each in enumerate(FEATURES[2:] + FEATURES[:1])})
    assert list(Token.decoded(made).values) == [*range(2, len(FEATURES)), 0]
    monkeypatch.setattr(tokens, "FEATURES", (*FEATURES, FEATURES[0]))
    assert np.isnan(Token.decoded(made).values[-1])


def packed(head: tuple[int, ...], pairs: list[tuple[int, float]]) -> str:
    version, method, team, position, count = head
    raw = tokens._HEAD.pack(version, method, team, position, b"aaaa", b"bbbb", count)
    return urlsafe_b64encode(raw + b"".join(tokens._PAIR.pack(*pair) for pair in pairs)).decode().rstrip("=")


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "%%%",
        "AQ",
        "é",
        packed((2, 0, 0, 1, 0), []),
        packed((1, 3, 0, 1, 0), []),
        packed((1, 1, 3, 1, 0), []),
        packed((1, 0, 0, 0, 0), []),
        packed((1, 0, 0, 1, 1), []),
        packed((1, 1, 1, 1, 1), [(2, 1.0)]),
        packed((1, 1, 1, 1, 1), [(1, 0.0)]),
        packed((1, 1, 1, 1, 1), [(1, np.nan)]),
        packed((1, 0, 0, 1, 0), [(FEATURES[0].id, np.inf)]),
    ],
)
def test_what_no_ranking_wrote_is_refused(encoded: str) -> None:
    with pytest.raises(RankerError, match="search_token"):
        Token.decoded(encoded)
