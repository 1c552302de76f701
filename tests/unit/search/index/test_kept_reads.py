"""What the embedded engine keeps of what it read: bounded, and never of before a write."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.index.kept_reads import KeptReads, kept_documents, kept_vectors
from attune.services.search.index.port import Document, SpaceVector

ROOM = 10_000


def numbers(most_bytes: int = ROOM) -> KeptReads[int]:
    """Of values that take 650 bytes each, with their places 1,000."""
    return KeptReads(most_bytes, lambda _value: 650)


class Engine:
    """What is written, and what is asked for."""

    def __init__(self, **stored: int) -> None:
        self.stored = dict(stored)
        self.asked: list[str] = []

    def fetch(self, ids: Sequence[str]) -> Mapping[str, int]:
        self.asked += ids
        return {each: self.stored[each] for each in ids if each in self.stored}


def test_what_was_read_is_not_read_again() -> None:
    kept, engine = numbers(), Engine(a=1, b=2)
    assert kept.read("acme", ["a", "b", "gone"], engine.fetch) == {"a": 1, "b": 2}
    assert kept.read("acme", ["b", "a", "a"], engine.fetch) == {"a": 1, "b": 2}
    assert engine.asked == ["a", "b", "gone"]


def test_the_same_id_of_another_tenant_is_another_document() -> None:
    kept = numbers()
    kept.read("acme", ["a"], Engine(a=1).fetch)
    assert kept.read("umbrella", ["a"], Engine(a=2).fetch) == {"a": 2}
    kept.forget("umbrella", ["a"])
    assert kept.read("acme", ["a"], Engine().fetch) == {"a": 1}


def test_what_was_written_is_read_again() -> None:
    kept, engine = numbers(), Engine(a=1, b=2)
    kept.read("acme", ["a", "b"], engine.fetch)
    engine.stored = {"a": 3}
    kept.forget("acme", ["a", "b"])
    assert kept.read("acme", ["a", "b"], engine.fetch) == {"a": 3}


def test_what_was_read_before_a_write_is_not_kept_after_it() -> None:
    kept, engine = numbers(), Engine(a=1)

    def overtaken(ids: Sequence[str]) -> Mapping[str, int]:
        before = engine.fetch(ids)
        engine.stored["a"] = 2
        kept.forget("acme", ["a"])
        return before

    assert kept.read("acme", ["a"], overtaken) == {"a": 1}
    assert kept.read("acme", ["a"], engine.fetch) == {"a": 2}


def test_the_least_lately_used_goes_first() -> None:
    kept = numbers(3_000)
    engine = Engine(a=1, b=2, c=3, d=4)
    for each in ("a", "b", "c", "a", "d"):
        kept.read("acme", [each], engine.fetch)
    kept.read("acme", ["a", "c", "d"], engine.fetch)
    assert engine.asked == ["a", "b", "c", "d"]
    kept.read("acme", ["b"], engine.fetch)
    assert engine.asked[4:] == ["b"]


def test_more_than_there_is_room_for_is_read_and_not_kept() -> None:
    kept, engine = numbers(999), Engine(a=1)
    assert kept.read("acme", ["a"], engine.fetch) == {"a": 1}
    assert len(kept) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "write", "delete"]), st.sets(st.sampled_from("abcdefgh"), max_size=5)),
        max_size=40,
    )
)
def test_reads_are_as_the_engine_is_and_in_bounds(steps: list[tuple[str, set[str]]]) -> None:
    kept, engine = numbers(4_000), Engine()
    for number, (step, ids) in enumerate(steps):
        if step == "read":
            assert kept.read("acme", sorted(ids), engine.fetch) == {
                each: engine.stored[each] for each in ids if each in engine.stored
            }
        else:
            for each in ids:
                engine.stored.pop(each, None)
                if step == "write":
                    engine.stored[each] = number
            kept.forget("acme", ids)
        assert len(kept) <= 4


def test_what_does_not_fit_at_all_drives_nothing_out() -> None:
    kept = KeptReads[int](3_000, lambda value: value)
    kept.read("acme", ["a"], Engine(a=100).fetch)
    kept.read("acme", ["b"], Engine(b=9_999).fetch)
    assert kept.read("acme", ["a"], Engine().fetch) == {"a": 100}


def test_vectors_count_by_their_bytes_and_documents_by_little_more_than_their_strings() -> None:
    documents, vectors = kept_documents(100_000), kept_vectors(100_000)
    ids = [str(number) for number in range(200)]
    vector = SpaceVector("", np.zeros(384, np.float32))
    documents.read("acme", ids, lambda ids: {each: Document(each, "", "", "d") for each in ids})
    vectors.read("acme", ids, lambda ids: dict.fromkeys(ids, vector))
    assert 40 < len(vectors) < 60 < len(documents) < 150


@pytest.mark.parametrize(
    "large",
    [
        Document("1", "", "", "d", attributes={"note": "x" * 10_000}),
        Document("1", "", "", "d", attributes={"note": "\N{SNOWMAN}" * 5_000}),
        Document("1", "", "", "d", fields={"tags": ("x" * 100,) * 100}),
        Document("1", "", "", "d", entity_ids=("x" * 100,) * 100),
        Document("1", "", "", "d", principals=("x" * 100,) * 100),
        Document("1", "", "", "d", url="x" * 10_000),
    ],
)
def test_a_document_counts_by_all_that_is_kept_of_it(large: Document) -> None:
    kept = kept_documents(50_000)
    kept.read("acme", [str(number) for number in range(50)], lambda ids: dict.fromkeys(ids, large))
    assert 2 <= len(kept) <= 5
