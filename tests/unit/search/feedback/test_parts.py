"""Parts of a query are found again by their digests, whatever case and signs they come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embedding.v1.embedding_pb2 import AUGMENTATION_NONE
from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.services.search.feedback.mending import embedded_query, mend
from attune.services.search.feedback.parts import Part, Replacement, is_part, part_of, without
from attune.services.search.gateway import Augmentation, Expert

KEY = b"k" * 32


def part(text: str, replacement: Replacement | None = None) -> Part:
    made = part_of(text, KEY, replacement)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("text", "wrong", "left"),
    [
        ("run tasks at once in asyncio", "in asyncio", "run tasks at once"),
        ("Jaguar, the car; and its price", "the car", "Jaguar, and its price"),
        ("jaguar JAGUAR? cats", "Jaguar", "cats"),
        ("a b a b a", "a b a", "a b"),
        ("the whole of it", "The whole, of it!", ""),
        ("C++ and C", "c", "C++ and"),
        ("nothing of this", "that", "nothing of this"),
        ("jaguars", "jaguar", "jaguars"),
    ],
)
def test_a_part_is_left_out_wherever_it_occurs(text: str, wrong: str, left: str) -> None:
    assert without(text, [part(wrong)], KEY)[0] == left


@pytest.mark.parametrize("text", ["", "   ", "?! ...", "\u200b"])
def test_what_has_no_words_is_no_part(text: str) -> None:
    assert part_of(text, KEY) is None


def test_digests_differ_from_process_to_process_and_hold_no_text() -> None:
    one, other = part_of("jaguar", KEY), part_of("jaguar", b"l" * 32)
    assert one is not None
    assert other is not None
    assert one.digest != other.digest
    assert b"jaguar" not in one.digest


words = st.lists(st.sampled_from(["a", "bee", "C++", "dé", "e?"]), min_size=1, max_size=6)


@given(words, words, words)
def test_what_was_put_in_between_is_taken_out_and_nothing_else_is(
    before: list[str], wrong: list[str], after: list[str]
) -> None:
    text = " ".join([*before, "start", *wrong, "end", *after])
    left, found = without(text, [part(" ".join(["start", *wrong, "end"]))], KEY)
    assert len(found) == 1
    assert left.split() == [*before, *after]
    assert without(left, found, KEY) == (left, [])


def test_a_turn_whose_query_was_wrong_goes_with_all_that_was_read() -> None:
    context = Context(session_id="s", turns=[Turn(query="Jaguar?", title="cars"), Turn(query="cats of Africa")])
    context.personalization = 0.5
    mended = mend("how fast", context, [part("jaguar")], KEY)
    assert [turn.query for turn in mended.context.turns] == ["cats of Africa"]
    assert (mended.context.session_id, mended.context.personalization, mended.removed) == ("s", 0.5, 1)
    assert len(context.turns) == 2, "the caller's request stays as it was"


def test_of_a_turn_only_the_wrong_words_go() -> None:
    context = Context(turns=[Turn(query="fast cars and cats", title="wrong", text="right")])
    mended = mend("q", context, [part("cars and"), part("wrong")], KEY)
    assert list(mended.context.turns) == [Turn(query="fast cats", text="right")]


def test_a_long_text_is_no_part_however_it_begins() -> None:
    assert is_part("word " * 3000, [part("word")], KEY) is None


class Embedder:
    """Every text is the first axis."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def query_vectors(self, query: str, asked: dict[str, Augmentation]) -> list[tuple[np.ndarray, Augmentation]]:
        self.asked.append(query)
        return [(np.array([1, 0], np.float32), each) for each in asked.values()]


async def test_a_replacement_stands_beside_what_is_left_of_the_query_or_alone() -> None:
    instead = Replacement({"": np.array([0, 1], np.float32)})
    asked, experts = {"general": AUGMENTATION_NONE}, {"general": Expert("")}
    embedder = Embedder()
    ((both, _),) = await embedded_query(embedder, "left", [instead], asked, experts)  # type: ignore[arg-type]
    ((alone, _),) = await embedded_query(embedder, "", [instead], asked, experts)  # type: ignore[arg-type]
    ((old, _),) = await embedded_query(embedder, "", [instead], asked, {"general": Expert("law@2")})  # type: ignore[arg-type]
    assert both == pytest.approx([0.5**0.5, 0.5**0.5])
    assert list(alone) == [0, 1]
    assert old.size == 0
    assert embedder.asked == ["left"]
