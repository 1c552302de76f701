import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import untimed

from attune.knowledge_store.redirects import Merge, MergeError, Redirects


def redirects(*pairs: str) -> Redirects:
    """From "ab": a is merged into b."""
    return Redirects(Merge(pair[0], pair[1]) for pair in pairs)


def test_an_id_that_was_not_merged_stands_for_itself():
    assert redirects("ab").resolve("b") == "b"
    assert Redirects().resolve("x") == "x"


@pytest.mark.parametrize("pairs", [("ab", "bc", "cd"), ("cd", "bc", "ab"), ("bc", "ab", "cd")])
def test_a_chain_leads_to_its_end_in_whatever_order_it_was_made(pairs):
    found = redirects(*pairs)
    assert {each: found.resolve(each) for each in "abcd"} == dict.fromkeys("abcd", "d")
    assert sorted(found.merged_into("d")) == ["a", "b", "c"]
    assert {each: "".join(sorted(found.other_ids(each))) for each in "adx"} == {"a": "bcd", "d": "abc", "x": ""}
    assert (len(found), "a" in found, "d" in found) == (3, True, False)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (("aa",), '"a" cannot be merged into itself'),
        (("ab", "ba"), "close a cycle"),
        (("ab", "bc", "ca"), "close a cycle"),
        (("ab", "ac"), '"a" is merged into "b" already'),
        (("ab", "ab"), '"a" is merged into "b" already'),
    ],
)
def test_a_merge_that_cannot_be_is_refused_and_named(pairs, said):
    with pytest.raises(MergeError, match=said) as caught:
        redirects(*pairs)
    assert caught.value.merge == Merge(*pairs[-1])


def test_a_chain_of_a_hundred_thousand_merges_is_no_trouble():
    steps = range(100_000)
    for merges in (steps, reversed(steps)):
        found = Redirects(Merge(str(step), str(step + 1)) for step in merges)
        assert found.resolve("0") == "100000"


@untimed
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
def test_what_is_accepted_resolves_to_an_entity_that_was_not_merged(pairs):
    accepted: list[Merge] = []
    for pair in pairs:
        try:
            Redirects([*accepted, Merge(*pair)])
        except MergeError:
            continue
        accepted.append(Merge(*pair))
    found = Redirects(accepted)
    assert all(found.resolve(each) not in found for each in "abcdef")
    assert all(found.resolve(merge.merged) == found.resolve(merge.into) for merge in accepted)
